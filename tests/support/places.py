"""Where the checkout lies, and the real data that may lie beside it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Of the repository."""

SHARED_DATA = ROOT.parent / "shared" / "data"
"""Real corpora, treebanks and tasks; absent at a user's."""

SUPPORT = Path(__file__).parent
"""Modules that tests import, and scripts that they start."""
