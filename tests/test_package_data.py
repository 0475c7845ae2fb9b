"""What is not Python in the package is named in pyproject.toml, so that a wheel has it."""

from __future__ import annotations

import tomllib

from places import ROOT


def test_package_data_names_every_file_that_is_not_python() -> None:
    package = ROOT / "src" / "tidemask"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["tidemask"]
    shipped = {path for pattern in patterns for path in package.glob(pattern)}
    others = {
        path for path in package.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert others == shipped
