"""Judges what peers hold in the end by what was done to their folders: pure.

Every edit has a content of its own, and knows what it replaced: what was at its name in that
folder at that moment. So whoever made it had seen that, and the new version's vector contains the
old one's. What nobody has replaced, deleted or renamed away must still be there: under its name, or
beside it as a conflict copy. What somebody has replaced must not be under its name any more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

COPY = ".sync-conflict-"


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done to one name: ``made`` is there after it, ``replaced`` was there before."""

    who: str
    name: str
    made: str | None
    replaced: str | None

    def __str__(self) -> str:
        if self.made is None:
            return f"{self.who} took {self.replaced!r} away from {self.name}"
        over = f" over {self.replaced!r}" if self.replaced is not None else ""
        return f"{self.who} wrote {self.made!r} to {self.name}{over}"


def judge(deeds: Iterable[Deed], final: Mapping[str, str]) -> list[str]:
    """Return a sentence for each edit that is lost, and for each content that came back.

    ``final`` is what all hold in the end, by name.
    """
    deeds = tuple(deeds)
    replaced = {(deed.name, deed.replaced) for deed in deeds}
    made = {(deed.name, deed.made) for deed in deeds}
    contents = {content for _, content in made}
    held = set(final.values())
    found = [
        f"lost: {deed}, and nobody has replaced it"
        for deed in deeds
        if deed.made is not None
        and (deed.name, deed.made) not in replaced
        and deed.made not in held
    ]
    for name, content in final.items():
        if content not in contents:
            found.append(f"{name} is {content!r}, which nobody ever wrote")
        elif COPY in name:
            continue
        elif (name, content) not in made:
            found.append(f"{name} is {content!r}, which nobody wrote to that name")
        elif (name, content) in replaced:
            found.append(f"came back: {name} is {content!r}, which somebody had replaced")
    return found
