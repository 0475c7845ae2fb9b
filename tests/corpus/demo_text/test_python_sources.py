"""Which sources count, and what their docstrings are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemask.corpus.demo_text.python_sources import (
    STANDARD_LIBRARY,
    docstrings,
    python_sources,
    required_distributions,
)


def install(root: Path, name: str, requires: list[str], files: dict[str, str]) -> None:
    """A distribution as an installer leaves it."""
    info = root / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    (info / "METADATA").write_text("\n".join(metadata) + "\n", encoding="utf-8")
    for path, source in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(source, encoding="utf-8")
    record = "".join(f"{path},,\n" for path in [*files, f"{info.name}/METADATA", "../bin/run.py"])
    (info / "RECORD").write_text(record, encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(tmp_path, "tm-app", ["TM.lib>=1 ; python_version > '3'"], {"tm_app.py": ""})
    install(
        tmp_path,
        "tm-lib",
        ["tm-deep[fast]", "tm-absent", "tm-extra; extra == 'more'"],
        {"tm_lib/b.py": "", "tm_lib/a.py": "", "tm_lib/tests/test_a.py": "", "tm_lib/a.txt": ""},
    )
    install(tmp_path, "tm-deep", ["tm-app"], {"tm_deep.py": "", "tm_lib/_vendor/x.py": ""})
    install(tmp_path, "tm-extra", [], {"tm_extra.py": ""})
    install(tmp_path, "tm-unrelated", [], {"tm_unrelated.py": ""})
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_requirements_are_followed_but_not_extras_nor_what_is_missing(site: Path) -> None:
    names = [distribution.name for distribution in required_distributions("tm-app")]
    assert names == ["tm-deep", "tm-lib"]


def test_sources_are_those_of_the_requirements_and_the_standard_library(site: Path) -> None:
    sources = python_sources("tm-app")
    own = [(file.package, file.path) for file in sources if file.package != STANDARD_LIBRARY]
    assert own == [("tm_deep", "tm_deep.py"), ("tm_lib", "tm_lib/a.py"), ("tm_lib", "tm_lib/b.py")]
    standard = {file.path for file in sources if file.package == STANDARD_LIBRARY}
    assert {"textwrap.py", "json/decoder.py", "email/message.py"} <= standard
    assert not any("site-packages" in path or "/test/" in path for path in standard)
    assert all(file.location.is_file() for file in sources)


def test_docstrings_come_in_the_order_of_the_source() -> None:
    source = b'''"""Module."""
class Outer:
    """Outer.

    More.
    """
    def method(self):
        """Method."""
        def inner():
            """Never."""
    class Inner:
        "Inner."
async def function():
    """Function."""
x = """No docstring."""
'''
    expected = ["Module.", "Outer.\n\nMore.", "Method.", "Inner.", "Function."]
    assert list(docstrings(source)) == expected


@pytest.mark.parametrize("source", [b"", b"def (", b"\xff\xfe\x00", b"print 1", b'"\\d"; x = "\0"'])
def test_a_source_without_docstrings_or_sense_has_none(source: bytes) -> None:
    assert list(docstrings(source)) == []


def test_invalid_escapes_in_other_peoples_code_raise_no_warning() -> None:
    assert list(docstrings(b'"""A \\d."""')) == ["A \\d."]
