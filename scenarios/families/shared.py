"""The packages that programs of several families share."""

from scenarios.root import ROOT

SHARED = (ROOT / "headless", ROOT / "network", ROOT / "store")
