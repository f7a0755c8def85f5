"""Mounts and unmounts: what is checked first, what a busy tree means, what a crash leaves."""

import ctypes
import errno
import os
import subprocess
from pathlib import Path

from headless.errors import CodedError
from pair_cli.mount.fuse_name import FILE_SYSTEM

_MNT_FORCE = 1
_UNMOUNT_TIMEOUT_S = 10.0


class MountError(CodedError):
    """A tree cannot be mounted or unmounted; the text says what to do."""


def check_mountable(path: Path, folder: Path) -> None:
    """Raise MountError where a tree cannot be mounted; release what a crash left there."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise MountError(
            "mount-unsupported",
            "There is no /dev/fuse that may be used here; in a container, run it with "
            "--device /dev/fuse --cap-add SYS_ADMIN (ENODEV).",
            "ENODEV",
        )
    release_left_over(path)
    try:
        is_empty = next(path.iterdir(), None) is None
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "EIO")
        raise MountError(
            "mount-failed", f"{path}: {error.strerror}; mount on an empty folder ({name}).", name
        ) from error
    if not is_empty:
        raise MountError(
            "mount-failed", f"{path} is not empty; mount on an empty folder (ENOTEMPTY).",
            "ENOTEMPTY",
        )  # fmt: skip
    real, shared = path.resolve(), folder.resolve()
    if real.is_relative_to(shared) or shared.is_relative_to(real):
        raise MountError(
            "mount-failed",
            f"{path} and the shared folder {folder} lie in each other; mount elsewhere (EINVAL).",
            "EINVAL",
        )


def unmount(path: Path, *, lazy: bool) -> None:
    """Unmount a tree; `lazy` detaches one in use. Raises MountError."""
    command = ["fusermount3", "-u", *(["-z"] if lazy else []), "--", str(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_UNMOUNT_TIMEOUT_S, check=False
        )
    except FileNotFoundError as error:
        raise MountError(
            "unmount-failed", "fusermount3 is missing; install fuse3 (ENOENT).", "ENOENT"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise MountError(
            "unmount-failed", f"fusermount3 did not end within {_UNMOUNT_TIMEOUT_S} s.", "ETIMEDOUT"
        ) from error
    if done.returncode == 0:
        return
    said = done.stderr.strip()
    if "busy" in said:
        raise MountError(
            "mount-busy",
            f"{path} is in use: close what is open there, or unmount it lazily (EBUSY).",
            "EBUSY",
        )
    raise MountError("unmount-failed", f"{path}: {said or 'fusermount3 failed'}", "EIO")


def force_unmount(path: Path) -> None:
    """Detach a tree at the end of the peer, with errors for whoever still uses it."""
    # Aborts what is under way, so that the mount's threads end; the kernel allows it to root only.
    ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(path), _MNT_FORCE)
    if is_mounted(path):
        unmount(path, lazy=True)


def is_mounted(path: Path) -> bool:
    """Tell whether a tree of this program is mounted on a path."""
    wanted = os.path.abspath(path)  # noqa: PTH100 - resolving would ask a dead mount
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        fields, _, more = line.partition(" - ")
        place = fields.split()[4].encode(errors="surrogateescape").decode("unicode_escape")
        if place.encode("latin-1") == os.fsencode(wanted) and more.startswith(
            f"fuse.{FILE_SYSTEM} "
        ):
            return True
    return False


def release_left_over(path: Path) -> bool:
    """Detach a tree whose peer is dead; tell whether there was one. Raises MountError."""
    if not is_mounted(path):
        return False
    try:
        os.statvfs(path)
    except OSError as error:
        if error.errno in (errno.ENOTCONN, errno.ECONNABORTED):
            unmount(path, lazy=True)
            return True
    raise MountError(
        "already-mounted", f"A peer that runs has mounted its tree on {path} (EBUSY).", "EBUSY"
    )
