"""A live tracker and live peers, at the keyboard."""

from collections.abc import Mapping
from typing import Any

from scenarios.core.backends.base import Mount, NodeSpec, Placed, Program
from scenarios.families.folder_sync.programs import SYNC_PROGRAM
from scenarios.family.live import LiveNode, LivePlace, Prepared, Progress

TRACKER = "tracker"  # the name under which peers find one


def prepare_tracker(place: LivePlace, program: Program) -> Prepared:
    """Prepare a tracker."""
    (place.folder / "state").mkdir()
    spec = NodeSpec(
        name=place.name,
        program=program,
        arguments=(
            "tracker",
            *("--name", place.name),
            *("--listen", place.listen),
            *("--state-dir", Placed(Mount(place.folder / "state", writable=True))),
        ),
    )
    return Prepared(spec, "Peers that start now find each other here.")


def prepare_peer(place: LivePlace, program: Program) -> Prepared:
    """Prepare a peer with a file in its folder, and the live tracker if there is one."""
    folders = {kind: place.folder / kind for kind in ("files", "state")}
    for folder in folders.values():
        folder.mkdir()
    (folders["files"] / f"{place.name}.txt").write_text(f"Hello from {place.name}.\n")
    tracker = place.neighbours.get(TRACKER)
    spec = NodeSpec(
        name=place.name,
        program=program,
        arguments=(
            "peer",
            *("--name", place.name),
            *("--listen", place.listen),
            *("--folder", Placed(Mount(folders["files"], writable=True))),
            *("--state-dir", Placed(Mount(folders["state"], writable=True))),
            *(("--tracker", tracker) if tracker else ()),
        ),
    )
    found = (
        f"Its tracker is at {tracker}."
        if tracker
        else f"There is no live tracker: start one first, with the name {TRACKER}."
    )
    return Prepared(spec, f"It keeps {folders['files']} in step. {found}")


def progress(data: Mapping[str, Any]) -> Progress:
    """Parse a `fetch-progress`."""
    return Progress(
        item=str(data.get("path")),
        done=int(data.get("fetched_bytes", 0)),
        total=int(data.get("size", 0)),
        bytes_per_second=0.0,
        sources=len(data.get("sources", ())),
    )


_NICKNAMES = {"peers": "list-peers", "files": "list-files"}
_ROW_NAMES = ("path", "name", "addr", "peer_id")

LIVE_PEER = LiveNode(
    program=SYNC_PROGRAM.name,
    prepare=prepare_peer,
    about="A peer gets a folder with NAME.txt in it, which it keeps in step with all others.",
    examples="files     peers     wait 10000     history alpha.txt",
    nicknames={**_NICKNAMES, "wait": "wait-in-step"},
    row_names=_ROW_NAMES,
    minor=frozenset(["index-changed", "fetch-begin"]),
    progress={"fetch-progress": progress},
)
LIVE_TRACKER = LiveNode(
    program=SYNC_PROGRAM.name,
    prepare=prepare_tracker,
    about=f"A tracker. Peers find it if NAME is {TRACKER}, and it starts before them.",
    examples="peers     files",
    nicknames=_NICKNAMES,
    row_names=_ROW_NAMES,
    minor=frozenset(["index-changed"]),
)
