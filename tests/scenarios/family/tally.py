"""The family of docs/adding-a-family.md, with its program from examples/tally."""

import re
import shutil
from pathlib import Path

PROJECT = Path(__file__).parents[3]
PAGE = PROJECT / "docs" / "adding-a-family.md"
PROGRAM = PROJECT / "examples" / "tally"
_BLOCK = re.compile(r"^```python\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def write_family(folder: Path) -> None:
    """Write the program and the family into a folder that has neither yet."""
    shutil.copytree(PROGRAM, folder / PROGRAM.name)
    files = dict(_BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    packages = {str(Path(path).parent / "__init__.py") for path in files}
    for path, text in {**dict.fromkeys(packages, ""), **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
