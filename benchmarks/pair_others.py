"""What a pair is measured beside: openssl, magic-wormhole, sshfs.

Each is there or says why not; then it is a function that moves the file once and returns seconds.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.foreign import NotHere, free_port, from_pypi, listening, program, quiet, run

ENDED_S = 30.0
PACKAGES = ("magic-wormhole", "magic-wormhole-mailbox-server", "magic-wormhole-transit-relay")
CODE = "7-floor-measure"
SFTP = "internal-sftp"

Move = Callable[[], float]


# --- openssl --------------------------------------------------------------------------------------


def openssl(folder: Path, file: Path, suite: str) -> Move:
    """Send the file through one stream of TLS 1.3, from s_client to s_server. Raises NotHere."""
    program("openssl")
    key, certificate, got = folder / "key.pem", folder / "certificate.pem", folder / "got"
    if not key.exists():
        made = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        names = ("-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate))
        quiet("openssl", *made, *names)

    def move() -> float:
        port = free_port()
        common = ("-quiet", "-tls1_3", "-ciphersuites", suite)
        listen = ("-accept", f"127.0.0.1:{port}", "-naccept", "1", "-cert", str(certificate))
        # Its stdin stays open: at its end it would go round and round.
        with got.open("wb") as out, file.open("rb") as content:
            server = subprocess.Popen(
                ["openssl", "s_server", *common, *listen, "-key", str(key)],
                stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                listening(port, lambda: server.poll() is None)
                began = time.monotonic()
                subprocess.run(
                    ["openssl", "s_client", *common, "-no_ign_eof", "-nocommands",
                     "-connect", f"127.0.0.1:{port}"],
                    stdin=content, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
                )  # fmt: skip
                server.wait(ENDED_S)
                took = time.monotonic() - began
            finally:
                server.kill()
                server.communicate()
        whole(got, file)
        return took

    return move


# --- magic-wormhole -------------------------------------------------------------------------------


def wormhole(stack: ExitStack, folder: Path, file: Path) -> Move:
    """Send the file with magic-wormhole, by a mailbox and a transit relay of its own.

    Raises NotHere.
    """
    programs = from_pypi("magic-wormhole", *PACKAGES)
    mailbox, transit = free_port(), free_port()
    twist = str(programs / "twist")
    on = ":interface=127.0.0.1"
    run(stack, twist, "wormhole-mailbox", f"--port=tcp:{mailbox}{on}",
        "--channel-db=mailbox.sqlite", "--usage-db=usage.sqlite", folder=folder)  # fmt: skip
    run(stack, twist, "transitrelay", f"--port=tcp:{transit}{on}", folder=folder)
    for port in (mailbox, transit):
        listening(port)
    ours = (
        str(programs / "wormhole"),
        *("--relay-url", f"ws://127.0.0.1:{mailbox}/v1"),
        *("--transit-helper", f"tcp:127.0.0.1:{transit}"),
    )
    got = folder / "got.wormhole"

    def move() -> float:
        got.unlink(missing_ok=True)
        command = [*ours, "send", "--hide-progress", "--code", CODE, str(file)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as sender:
            try:
                assert sender.stderr
                for line in sender.stderr:
                    if CODE.encode() in line:
                        break
                receive = ("receive", "--accept-file", "--hide-progress", "-o", str(got), CODE)
                began = time.monotonic()
                quiet(*ours, *receive)
                took = time.monotonic() - began
                sender.communicate(timeout=ENDED_S)
            finally:
                sender.kill()
        whole(got, file)
        return took

    return move


# --- sshfs ----------------------------------------------------------------------------------------


@contextmanager
def sshfs(folder: Path, file: Path) -> Iterator[Path]:
    """Yield the file as sshfs shows it, from an sshd of its own with AES-GCM. Raises NotHere."""
    daemon = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    for name, there in (("sshd", daemon), ("sshfs", shutil.which("sshfs"))):
        if there is None:
            raise NotHere(f"there is no {name}")
    assert daemon
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise NotHere("nobody may mount here")
    keys = {name: folder / name for name in ("host", "user")}
    for key in keys.values():
        quiet("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    (folder / "authorized").write_bytes((folder / "user.pub").read_bytes())
    port, mount = free_port(), folder / "sshfs"
    mount.mkdir()
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": keys["host"],
        "AuthorizedKeysFile": folder / "authorized",
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "yes",
        "PidFile": "none",
        "Subsystem": f"sftp {SFTP}",
    }
    text = "".join(f"{name} {value}\n" for name, value in settings.items())
    (folder / "sshd_config").write_text(text)
    tried = subprocess.run(
        [daemon, "-t", "-f", str(folder / "sshd_config")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if tried.returncode:
        raise NotHere(f"sshd: {tried.stderr.strip()}")
    with ExitStack() as stack:
        run(stack, daemon, "-D", "-e", "-f", str(folder / "sshd_config"))
        listening(port)
        options = {
            "port": port,
            "IdentityFile": keys["user"],
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "Ciphers": "aes256-gcm@openssh.com",
        }
        words = [f"{name}={value}" for name, value in options.items()]
        try:
            quiet("sshfs", f"127.0.0.1:{file.parent}", str(mount), "-o", ",".join(words))
        except subprocess.CalledProcessError as error:
            raise NotHere(f"sshfs: {error.stderr.decode(errors='replace').strip()}") from error
        try:
            yield mount / file.name
        finally:
            quiet("fusermount3", "-u", "-z", str(mount))


def whole(got: Path, file: Path) -> None:
    """Check that as much has come as was sent."""
    assert got.stat().st_size == file.stat().st_size, f"{got} is {got.stat().st_size} bytes long"
