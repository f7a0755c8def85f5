"""Which changes are changes of which image."""

import pytest

from scenarios.family.discovery import every_family
from scenarios.images.build import context_files, inputs_hash
from scenarios.images.dockerfile import DOCKERFILE, UnknownTargetError, inputs
from scenarios.root import ROOT

EXAMPLE = r"""
ARG BASE=debian
# The base.
FROM ${BASE} AS system
RUN one \
# within
    && two

FROM system AS build
COPY requirements.txt ca.crt* ./

FROM system AS common
COPY --from=build /venv /venv
COPY shared /app/shared

FROM common AS this
COPY mine data/one.json /app/
# What the others are.
FROM common AS other
COPY theirs /app/theirs
"""
FILES = {
    DOCKERFILE: EXAMPLE.encode(),
    **dict.fromkeys(
        ("requirements.txt", "ca.crt", "shared/a.py", "mine/b.py", "mined/c.py", "data/one.json",
         "data/two.json", "theirs/d.py"),
        b"x",
    ),
}  # fmt: skip


def test_inputs_are_the_stages_that_are_needed_and_what_they_copy() -> None:
    found = inputs(FILES, "this")
    assert set(found) == {
        DOCKERFILE, "requirements.txt", "ca.crt", "shared/a.py", "mine/b.py", "data/one.json",
    }  # fmt: skip
    assert found[DOCKERFILE].decode() == (
        "ARG BASE=debian\nFROM ${BASE} AS system\nRUN one && two\nFROM system AS build\n"
        "COPY requirements.txt ca.crt* ./\nFROM system AS common\nCOPY --from=build /venv /venv\n"
        "COPY shared /app/shared\nFROM common AS this\nCOPY mine data/one.json /app/\n"
    )
    assert set(inputs(FILES, "system")) == {DOCKERFILE}


def test_a_target_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownTargetError, match="'that'"):
        inputs(FILES, "that")


@pytest.mark.parametrize(
    ("changed", "rebuilt"),
    [
        ("headless/run.py", {"headless", "peer", "tunnel", "pair", "pair-desk", "sync", "bench"}),
        ("peer_cli/catalog.py", {"peer", "bench"}),
        ("fixtures/lan_spread/catalog.json", {"peer", "bench"}),
        ("tunnel_cli/server.py", {"tunnel"}),
        ("sync_cli/session.py", {"sync"}),
        ("pair_cli/peer.py", {"pair", "pair-desk"}),
    ],
)
def test_a_change_rebuilds_only_the_images_that_copy_it(changed: str, rebuilt: set[str]) -> None:
    before = context_files(ROOT)
    assert changed in before
    after = {**before, changed: before[changed] + b"# changed"}
    programs = {target for family in every_family() for target in family.targets}
    found = {
        target
        for target in {*programs, "headless", "bench"}
        if inputs_hash(inputs(before, target)) != inputs_hash(inputs(after, target))
    }
    assert found == rebuilt


def test_a_comment_is_no_change() -> None:
    commented = {**FILES, DOCKERFILE: EXAMPLE.replace("# within", "# elsewhere").encode()}
    assert inputs(commented, "this") == inputs(FILES, "this")
