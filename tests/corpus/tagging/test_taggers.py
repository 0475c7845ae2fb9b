"""The table of taggers, and that naming one loads nothing until it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tidemask.corpus.tagging.taggers import TAGGER_NAMES, load_tagger
from tidemask.errors import UserError
from tidemask.token_classes import UPOS


def test_none_is_no_tagger() -> None:
    assert load_tagger("none") is None


def test_textblob_is_loaded_by_name_and_names_its_classes() -> None:
    tagger = load_tagger("textblob")
    assert tagger is not None
    assert tagger.name == "textblob"
    assert tagger.class_names == UPOS


@pytest.mark.parametrize(
    "name", ["txtblob", "spcy:en_core_web_sm", "spacy:", "stanza", "", "column:x"]
)
def test_unknown_name_lists_those_that_exist(name: str) -> None:
    with pytest.raises(UserError) as raised:
        load_tagger(name)
    message = str(raised.value)
    assert repr(name) in message
    assert all(known in message for known in TAGGER_NAMES)
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "nearest"), [("txtblob", "textblob"), ("spcy:some_model", "spacy:"), ("nome", "none")]
)
def test_unknown_name_suggests_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UserError, match=f"Did you mean {nearest}"):
        load_tagger(name)


def test_importing_taggers_loads_no_tagger_library() -> None:
    program = (
        "import sys, tidemask.corpus.tagging.taggers, tidemask.corpus.tagging.textblob_tagger,"
        " tidemask.corpus.tagging.spacy_tagger, tidemask.corpus.tagging.nltk_tagger,"
        " tidemask.corpus.tagging.stanza_tagger;"
        " print([name for name in ('textblob', 'spacy', 'nltk', 'stanza') if name in sys.modules])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == "[]"
