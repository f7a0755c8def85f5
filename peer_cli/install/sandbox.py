"""Drops the privileges that the unpacking helper does not need.

The helper runs C++ code on archives made by strangers. Whoever exploits a bug there should find a
process that can read these archives, write to its pipe, and do nothing else. What is dropped,
where the system supports it:

- everywhere (setrlimit): memory beyond the dictionary's, CPU time beyond what the content can
  cost, growing files, core dumps, descriptors;
- Linux: new privileges (`PR_SET_NO_NEW_PRIVS`); from 5.13 on, every file but the archives, and
  from 6.7 on, TCP (both Landlock); on x86-64 and ARM64, sockets and, with the built-in library,
  new processes and programs (seccomp).

macOS offers programs nothing comparable, so limits are all there is. Sources:
landlock(7), seccomp(2), prctl(2), linux/landlock.h, linux/seccomp.h, linux/bpf_common.h.
"""

import ctypes
import os
import resource
import stat
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

MEMORY_BESIDE_DICTIONARY = 512 << 20  # bytes of address space: code, threads, their stacks
OPEN_FILES = 64
CPU_S = 60
BYTES_PER_CPU_S = 256 << 10  # slower than the slowest method on the slowest machine

# linux/prctl.h
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2

# linux/landlock.h; system call numbers that all architectures share.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _RULE_PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_RIGHTS_BY_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
_TCP_RIGHTS = 3  # bind and connect, from version 4 on

# linux/bpf_common.h, linux/seccomp.h
_LOAD, _JUMP_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_CLONE_THREAD = 0x00010000
_X32_BIT = 0x40000000


class _Numbers:
    """System call numbers of one architecture, grouped by why they are refused."""

    def __init__(
        self, audit: int, network: Sequence[int], processes: Sequence[int], clone: int
    ) -> None:
        self.audit = audit
        self.network = network
        self.processes = processes
        self.clone = clone


_CLONE3 = 435
_NUMBERS = {
    # socket, connect, accept, bind, listen, socketpair, accept4, io_uring_setup
    # ptrace, fork, vfork, execve, execveat
    "x86_64": _Numbers(
        0xC000003E, (41, 42, 43, 49, 50, 53, 288, 425), (101, 57, 58, 59, 322), clone=56
    ),
    "aarch64": _Numbers(
        0xC00000B7, (198, 199, 200, 201, 202, 203, 242, 425), (117, 221, 281), clone=220
    ),
}


def limit_resources(in_use: int, dictionary: int, total_bytes: int) -> None:
    """Limit memory and CPU time to what archives of this dictionary and content (bytes) need.

    `in_use` is the result of `address_space`.
    """
    memory = in_use + dictionary + MEMORY_BESIDE_DICTIONARY
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_CPU, CPU_S + total_bytes // BYTES_PER_CPU_S)


def confine(archives: Sequence[str], stream: int, *, runs_program: bool) -> None:
    """Drop access to everything but these archives and the open `stream`.

    `runs_program` keeps the rights to read and run programs. Import beforehand whatever is needed
    afterwards. Only for a process with one thread.
    """
    _limit(resource.RLIMIT_CORE, 0)
    if not stat.S_ISREG(os.fstat(stream).st_mode):
        _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return  # the other two need it
    _confine_files(libc, archives, runs_program)
    _confine_calls(libc, runs_program)


def address_space() -> int:
    """Return the bytes of address space in use; a generous guess where the system does not say."""
    try:
        with Path("/proc/self/statm").open("rb") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except FileNotFoundError:
        return 1 << 30


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _confine_files(libc: ctypes.CDLL, archives: Sequence[str], runs_program: bool) -> None:
    """Allow reading these files only (Landlock); does nothing where the system has no Landlock."""
    version = libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    if version < 1:
        return
    rights = _RIGHTS_BY_VERSION[min(version, 3)]
    attributes = struct.pack("=QQ", rights, _TCP_RIGHTS if version >= 4 else 0)
    size = len(attributes) if version >= 4 else 8
    ruleset = libc.syscall(_CREATE_RULESET, attributes, size, 0)
    if ruleset < 0:
        return
    try:
        allowed = [(path, _READ_FILE) for path in archives]
        if runs_program:
            allowed += [("/", _EXECUTE | _READ_FILE | _READ_DIR)]
            allowed += [("/dev/null", _READ_FILE | _WRITE_FILE)]
        for path, access in allowed:
            _allow(libc, ruleset, path, access)
        libc.syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)  # type: ignore[attr-defined,unused-ignore]
    except FileNotFoundError:
        return  # whoever opens it later reports the error
    try:
        rule = struct.pack("=Qi", access, descriptor)
        libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)


def _confine_calls(libc: ctypes.CDLL, runs_program: bool) -> None:
    """Refuse system calls (seccomp); does nothing on architectures not listed above."""
    numbers = _NUMBERS.get(os.uname().machine)
    if numbers is None:
        return
    program = _filter(numbers, runs_program)
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: u16 count, pointer.
    descriptor = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, descriptor, 0, 0)


def _filter(numbers: _Numbers, runs_program: bool) -> bytes:
    """Return the program that judges each system call, as struct sock_filter[]."""
    refused = list(numbers.network)
    if not runs_program:
        refused += numbers.processes
    code = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, numbers.audit),
        (_RETURN, 0, 0, _ERRNO | _EPERM),  # numbers of another architecture mean other calls
        (_LOAD, 0, 0, _AT_NUMBER),
        (_JUMP_ANY_BIT, 0, 1, _X32_BIT),  # x32, the second set of numbers on x86-64
        (_RETURN, 0, 0, _ERRNO | _EPERM),
    ]
    for number in refused:
        code += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | _EPERM)]
    if not runs_program:
        code += [
            # seccomp cannot inspect the arguments of clone3. The C library falls back to clone.
            (_JUMP_EQUAL, 0, 1, _CLONE3),
            (_RETURN, 0, 0, _ERRNO | _ENOSYS),
            (_JUMP_EQUAL, 0, 3, numbers.clone),
            (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
            (_JUMP_ANY_BIT, 1, 0, _CLONE_THREAD),
            (_RETURN, 0, 0, _ERRNO | _EPERM),
        ]
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
