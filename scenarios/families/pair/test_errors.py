"""What peers say to those who ask for something wrong: P32 to P36."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from scenarios.core.scenario import scenario
from scenarios.families.pair.pair import Pair

KB = 1000


@scenario(
    "P32", name="Add of what is missing",
    proves="the error names the path, in the words of the system and with ENOENT",
)  # fmt: skip
def add_of_missing(pair: Pair) -> None:
    pair.start(join=False)
    error = pair.alpha.node.refused(
        "add", path="nowhere/x.bin", containing="no such file or directory"
    )
    pair.check.true(
        "names it", "nowhere/x.bin" in error.error and "ENOENT" in error.error, str(error)
    )


@scenario("P33", name="Pull of a folder", proves="the error says that it is a folder, and EISDIR")
def pull_of_folder(pair: Pair) -> None:
    pair.start()
    pair.alpha.shares("folder/x.bin", KB)
    pair.bravo.node.refused("pull", path="folder", to="folder", containing="EISDIR")


@scenario(
    "P34", name="Pull of what is not announced",
    proves="a file that the other has, but has not added, cannot be had; the error names it",
)  # fmt: skip
def pull_of_unannounced(pair: Pair) -> None:
    pair.start()
    pair.alpha.has("secret.bin", KB)
    pair.bravo.node.refused("pull", path="secret.bin", to="secret.bin", containing="secret.bin")
    pair.check.equal("files of bravo", list(pair.bravo.folder.host.iterdir()), [])


@scenario(
    "P35", name="Strict duplicate",
    proves="with --strict-add what is shared already is refused with EEXIST, unchanged or not",
    )  # fmt: skip
def strict_duplicate(pair: Pair) -> None:
    pair.start(flags=("--strict-add",), join=False)
    pair.alpha.has("one.bin", KB, seed=1)
    pair.alpha.add("one.bin")
    pair.alpha.node.refused("add", path="one.bin", containing="EEXIST", what="unchanged is refused")
    pair.alpha.has("one.bin", KB, seed=2)
    pair.alpha.node.refused("add", path="one.bin", containing="EEXIST", what="changed is refused")


@scenario(
    "P36", name="Bad fingerprints",
    proves="empty, too short, with other letters, one's own: each is refused in words that say so",
)  # fmt: skip
def bad_fingerprints(pair: Pair) -> None:
    pair.start(join=False)
    own = pair.alpha.fingerprint
    wrong = {
        "empty": ("", "is empty"),
        "short": (own[:-1], "expected 86 characters"),
        "long": (own + "A", "expected 86 characters"),
        "letters": ("*" + own[1:], "of base64url"),
        "own": (own, "own fingerprint"),
    }
    codes = {}
    for what, (fingerprint, words) in wrong.items():
        error = pair.alpha.node.refused(
            "join",
            fingerprint=fingerprint,
            relay=pair.relay_url,
            containing=words,
            what=f"{what}: refused",
        )
        codes[what] = error.code
    bad = dict.fromkeys(("empty", "short", "long", "letters"), "bad-fingerprint")
    pair.check.equal("codes", codes, {**bad, "own": "own-fingerprint"})
    pair.join()
