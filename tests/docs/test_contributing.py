"""What CONTRIBUTING and the README of the tests say of files is complete and true."""

from __future__ import annotations

import re

from places import ROOT, SUPPORT


def test_contributing_readme_of_the_tests_has_every_helper() -> None:
    page = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+\.py)` \|", page, flags=re.MULTILINE)
    assert rows == sorted(path.name for path in SUPPORT.glob("*.py"))
