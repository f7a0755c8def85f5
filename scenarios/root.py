"""The project's folder, which contains runs, caches and documents."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
