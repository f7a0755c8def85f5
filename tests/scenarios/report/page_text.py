"""Reads texts of a page, for the tests in a browser."""

from benchmarks.chromium import Browser

ARROW_LEFT, ARROW_RIGHT, ENTER, ESCAPE = 37, 39, 13, 27


def text(page: Browser, selector: str) -> str:
    return str(page.js(f"document.querySelector({selector!r}).innerText"))
