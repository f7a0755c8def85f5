"""Checks that no mutant of the family names yet, by scenario. The list may only get shorter."""

from collections.abc import Mapping

UNPROVEN: Mapping[str, tuple[str, ...]] = {
    "P6": ("what bravo was told",),
    "P7": ("files of bravo",),
    "P11": (
        "alpha: add is refused",
        "bravo: pull is refused",
        "alpha: join is refused",
        "what was there",
    ),
    "P12": ("size",),
    "P22": ("sizes",),
    "P25": ("changes of health",),
    "P26": ("seconds until then",),
    "P32": ("alpha: add is refused",),
    "P34": ("files of bravo",),
    "P43": ("unfinished files",),
    "P44": ("hash of the smaller",),
    "P46": ("bytes fetched",),
    "P48": (
        "longest in seconds",
        "what was read",
    ),
    "P49": (
        "the mount of a dead peer",
        "bravo: unmount is refused",
    ),
    "P50": (
        "git status: exit code",
        "git status",
        "database",
        "tar: exit code",
        "rsync: exit code",
        "saved",
        "hard link",
    ),
    "P52": ("mode",),
    "P53": ("times connected",),
    "P54": ("list",),
}
