"""The settings of reading text are checked when they are made."""

from __future__ import annotations

from typing import Any

import pytest

from cases import all_cases
from tidemask.corpus.sources.settings import TextSettings
from tidemask.errors import UserError

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"documents": "lines"}, "documents='lines'. Expected one of auto, blank-lines, file, line, "
     "row, or separator=TEXT with the text of the lines between documents. Did you mean line?"),
    ({"documents": "separator="}, "documents='separator='. Expected one of auto, "),
    ({"documents": "separator= "}, "documents='separator= '. Expected one of auto, "),
    ({"encoding": "utf-9"}, "encoding='utf-9'. Expected one that Python knows, such as utf-8, "),
    ({"encoding": "base64"}, "encoding='base64'. Expected one that Python knows"),
    ({"encoding": "rot13"}, "encoding='rot13'. Expected one that Python knows"),
    ({"encoding": "a\0b"}, "encoding='a\\x00b'. Expected one that Python knows"),
    ({"encoding": ""}, "encoding=''. Expected one that Python knows"),
    ({"errors": "ignore"}, "errors='ignore'. Expected one of strict, replace."),
    ({"keep": ("a", "a")}, "keep=['a', 'a'] has a field twice. Name each once."),
    ({"keep": ("",)}, "the name of a field is empty: ''. Name a field."),
    ({"text_field": " "}, "the name of a field is empty: ' '. Name a field."),
    ({"keep": "author"}, "keep='author'. Expected a list, each of it a text."),
]  # fmt: skip


@all_cases(("settings", "said"), WRONG)
def test_text_settings_outside_their_ranges_are_refused(
    settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        TextSettings(**settings)
    assert str(caught.value).startswith(f"setting outside its range: {said}")


def test_text_settings_have_python_s_name_of_an_encoding() -> None:
    assert TextSettings(encoding="UTF8").encoding == "utf-8"
    assert TextSettings(documents="separator=***").documents == "separator=***"
