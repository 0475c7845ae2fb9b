"""What the package holds as others get it: every file of ours, and nothing beside."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import tidemask
from places import ROOT

PACKAGE = ROOT / "src" / "tidemask"


def test_package_data_names_every_file_that_is_not_python() -> None:
    """Named in pyproject.toml, so that a wheel has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["tidemask"]
    shipped = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    others = {
        path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert others == shipped


BUILD = """
import sys
from setuptools import build_meta
getattr(build_meta, f"build_{sys.argv[1]}")(sys.argv[2])
"""
"""As pip calls the backend, in the directory that is built, without a place of its own."""


def _built(kind: str, source: Path, out: Path) -> Path:
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BUILD, kind, str(out)],
        cwd=source, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (path,) = out.iterdir()
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout without what is made in it."""
    pytest.importorskip("setuptools", minversion="77")
    made = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
    return Path(shutil.copytree(ROOT, tmp_path_factory.mktemp("built") / "source", ignore=made))


def _ours() -> set[str]:
    files = (path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(PACKAGE.parent).as_posix() for path in files}


@pytest.mark.slow
def test_package_source_holds_the_package_and_makes_its_wheel(source: Path, tmp_path: Path) -> None:
    archive = _built("sdist", source, tmp_path / "sdist")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert unpacked.name == f"tidemask-{tidemask.__version__}"
    files = {p.relative_to(unpacked).as_posix() for p in unpacked.rglob("*") if p.is_file()}
    about = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "MANIFEST.in", "README.md"}
    made = {
        name for name in files if re.match(r"PKG-INFO|setup\.cfg|src/tidemask\.egg-info/", name)
    }
    assert files - made == {*about, "pyproject.toml", *(f"src/{name}" for name in _ours())}

    with zipfile.ZipFile(_built("wheel", unpacked, tmp_path / "wheel")) as wheel:
        names = set(wheel.namelist())
        place = f"{unpacked.name}.dist-info"
        metadata = Parser().parsestr(wheel.read(f"{place}/METADATA").decode())
        started = wheel.read(f"{place}/entry_points.txt").decode()
    assert {name for name in names if not name.startswith(place)} == _ours()
    assert f"{place}/licenses/LICENSE" in names
    assert metadata["Version"] == tidemask.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "tidemask = tidemask.__main__:main" in started
