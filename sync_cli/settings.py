"""The command-line flags. Each is also an environment variable; the flag wins."""

import argparse
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from headless.settings import FlagParser, human_name, path, switch
from network.address import Address, parse_address, primary_ip
from network.flags import listen_address, rate
from sync_cli.messages import Role

DAY_S = 86_400.0


class Settings(NamedTuple):
    """How this node runs. Rates are bytes per second, or None for no limit.

    A peer has a folder; a tracker has none.
    """

    role: Role
    name: str
    listen: Address
    legacy: bool
    tracker: Address | None
    folder: Path | None
    state_dir: Path
    key_file: Path | None
    links: bool
    tombstone_s: float
    upload_limit: int | None
    download_limit: int | None
    silence_s: float


def make_parser(environment: Mapping[str, str]) -> FlagParser:
    """Return the parser of the command line; flags that are not given come from `environment`."""
    parser = FlagParser(
        "sync-cli",
        "Keeps folders in step: a tracker that knows who has what, and peers.",
        environment,
    )
    parser.add_argument("role", choices=("tracker", "peer"), help="what this node is")
    add = parser.flag
    add("--name", "human name, shown to others (default: the host's name)", socket.gethostname(),
        type=human_name)  # fmt: skip
    add("--listen", "default: the primary interface's own address, any free port. A peer takes the "
        "next free port if this one is taken", type=listen_address,
        metavar="ADDR[:PORT]")  # fmt: skip
    add("--legacy", "speak the legacy wire only (default: off)", "off", type=switch, nargs="?",
        const=True, metavar="on|off")  # fmt: skip
    add("--state-dir", "identity and index (default: sync-cli/ in the user's state folder)",
        type=path, metavar="DIR")  # fmt: skip
    add("--key", "shared secret, as `sync-cli key` makes it; who does not have it is refused",
        type=path, metavar="FILE")  # fmt: skip
    add("--folder", "the folder that a peer keeps in step", type=path, metavar="DIR")
    add("--tracker", "where a peer finds the tracker", type=_tracker, metavar="ADDR:PORT")
    add("--no-links", "leave symbolic links out (default: off)", "off", type=switch, nargs="?",
        const=True, metavar="on|off")  # fmt: skip
    add("--tombstones", "days for which deletions are remembered (default: 90)", "90", type=_days,
        metavar="DAYS")  # fmt: skip
    add("--upload-limit", "e.g. 80MiB a second (default: none)", type=rate, metavar="RATE")
    add("--download-limit", "the same for downloads", type=rate, metavar="RATE")
    add("--silence", "seconds after which a legacy peer gives up a tracker that does not answer, "
        "and a legacy tracker forgets a peer (default: 180)", "180", type=_seconds,
        metavar="SECONDS")  # fmt: skip
    return parser


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read flags and environment. Bad values print one line to stderr and raise SystemExit(2)."""
    parser = make_parser(environment)
    given = parser.read(arguments)
    if given.role == "peer" and given.folder is None:
        parser.error("a peer needs --folder")
    if given.role == "peer" and given.legacy and given.tracker is None:
        parser.error("a legacy peer needs --tracker")
    if given.role == "tracker" and (given.folder or given.tracker):
        parser.error("a tracker takes neither --folder nor --tracker")
    if given.legacy and given.key:
        parser.error("the legacy wire knows no --key; leave out one of --legacy and --key")
    return Settings(
        role=given.role,
        name=given.name,
        listen=given.listen or Address(primary_ip(), 0),
        legacy=given.legacy,
        tracker=given.tracker,
        folder=given.folder,
        state_dir=given.state_dir or _state_dir(environment) / given.role,
        key_file=given.key,
        links=not given.no_links,
        tombstone_s=given.tombstones * DAY_S,
        upload_limit=given.upload_limit,
        download_limit=given.download_limit,
        silence_s=given.silence,
    )


def _tracker(text: str) -> Address:
    try:
        host, _, port = text.rpartition(":")
        # A name is fine here: the tracker is the one address that people write down.
        if host and not _is_ip(host) and port.isdecimal():
            text = f"{socket.gethostbyname(host)}:{port}"
        return parse_address(text)
    except (ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no address: {error}") from None


def _is_ip(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdecimal()


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days <= 36_500:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 0 to 36500")
    return days


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 86400")
    return seconds


def _state_dir(environment: Mapping[str, str]) -> Path:
    """Return the folder for state, as the XDG Base Directory Specification says."""
    base = environment.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111
    return Path(base) / "sync-cli"
