"""Makes the story of a node from a short list, as if it had been recorded."""

from typing import Any

from scenarios.core.always import Ending, NodeStory
from scenarios.core.log import Line

Said = tuple[float, str, dict[str, Any]]


def told(at: float, command: str, **arguments: Any) -> Said:
    return at, "in", {"cmd": command, "id": "r1", **arguments}


def event(at: float, name: str, /, **data: Any) -> Said:
    return at, "out", {"type": "event", "event": name, "seq": 0, "ts": at, "data": data}


def manifest(at: float, game_id: str, **files: int) -> Said:
    rows = [{"relative_path": f"{game_id}/{name}", "size": size} for name, size in files.items()]
    return event(at, "got-game-files", game_id=game_id, file_descriptions=rows)


def begin(at: float, game_id: str, total: int) -> Said:
    return event(at, "download-begin", game_id=game_id, total_bytes=total, sources=[])


def progress(at: float, game_id: str, downloaded: int) -> Said:
    return event(at, "download-progress", game_id=game_id, downloaded_bytes=downloaded)


def chunk(at: float, game_id: str, name: str, offset: int, length: int, who: str = "a") -> Said:
    return event(
        at,
        "download-chunk-finished",
        game_id=game_id,
        peer_id=who,
        peer_addr=f"{who}:1",
        relative_path=f"{game_id}/{name}",
        offset=offset,
        length=length,
    )


def finished(at: float, game_id: str, total: int, chunks: int) -> Said:
    figures = {"bytes": total, "chunks": chunks}
    return event(at, "download-finished", game_id=game_id, throughput=figures)


def story(*said: Said, node: str = "client", ending: Ending | None = "asked") -> NodeStory:
    lines = [
        Line(
            index=index,
            at=at,
            wall=at,
            stream="in" if stream == "in" else "out",
            text=str(message),
            message=message,
        )
        for index, (at, stream, message) in enumerate(said)
    ]
    return NodeStory(node=node, lines=lines, ended=None, ending=ending)
