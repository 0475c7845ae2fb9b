"""Which sources count, and what their docstrings and comments are."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from tidemask.corpus.demo_text.python_sources import comments, docstrings, python_sources


def test_sources_are_those_of_the_standard_library_that_every_installation_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ["email/message.py", "json/decoder.py", "textwrap.py"]
    left_out = [
        "_sysconfigdata__linux_.py", "email/test/a.py", "idlelib/a.py", "json/notes.txt",
        "json/__pycache__/decoder.py", "site-packages/torch/a.py", "test/a.py", "tkinter/a.py",
        "turtle.py",
    ]  # fmt: skip
    for path in (*left_out, *kept):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    monkeypatch.setattr(sysconfig, "get_path", {"stdlib": str(tmp_path)}.__getitem__)
    sources = python_sources()
    assert [file.path for file in sources] == kept
    assert [file.package for file in sources] == ["email", "json", "textwrap"]
    assert all(file.location == tmp_path / file.path for file in sources)


def test_comments_on_lines_of_their_own_are_joined() -> None:
    source = b"""#!/usr/bin/env python
# The first.
#
#   Its second line.
x = 1  # beside code
    ## Another,
    # further right.
"""
    assert list(comments(source)) == [
        "/usr/bin/env python\nThe first.\n\n  Its second line.",
        "Another,\nfurther right.",
    ]


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
