"""README, "A peer at your keyboard": its block is pasted into bravo's terminal, as it stands."""

import re
import sys

from tests.docs.terminal import PROJECT, terminal

LIVE = [sys.executable, "-m", "scenarios", "live"]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_block_can_be_pasted_at_once() -> None:
    block = re.search(r"In bravo's terminal:\n\n```\n(.*?)^```$", README, re.M | re.S)
    assert block
    assert block[1].startswith("connect alpha\n")
    ends = ([*LIVE, name, "--backend", "process"] for name in ("alpha", "bravo"))
    with terminal(next(ends)) as alpha, terminal(next(ends)) as bravo:
        alpha.until("Another live node reaches it")
        bravo.until("Another live node reaches it")
        bravo.type(block[1])
        shown = bravo.to_end()
        assert bravo.process.wait(30) == 0, shown
    assert "Traceback" not in shown
    told = [
        "• peer-connected",
        "✓ connect",
        "bravo> download",
        "• download-finished",
        "• install-finished",
        "bravo> status",
        "✓ status",
        "bravo> quit",
        "✓ shutdown",
    ]
    places = [bravo.plain.index(each) for each in told]
    assert places == sorted(places), bravo.plain
    assert "install-failed" not in bravo.plain
