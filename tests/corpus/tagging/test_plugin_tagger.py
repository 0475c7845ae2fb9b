"""Taggers of other packages, by entry points: loaded by name, and their words checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cases import all_cases
from tidemask.corpus.tagging import plugin_tagger
from tidemask.corpus.tagging.taggers import load_tagger
from tidemask.corpus.tagging.words import TaggedWords
from tidemask.errors import UserError


class FirstLetters:
    """Words between spaces, with the class of their first letter."""

    name = "letters"
    fingerprint = "letters 1"

    def __init__(self, letters: str) -> None:
        self.class_names = tuple(letters)

    def tag(self, texts: list[str]) -> list[TaggedWords]:
        return [self._words(text) for text in texts]

    def _words(self, text: str) -> TaggedWords:
        starts = [i for i, c in enumerate(text) if c != " " and (i == 0 or text[i - 1] == " ")]
        ends = [text.find(" ", start) % (len(text) + 1) for start in starts]
        numbers = [self.class_names.index(text[start]) for start in starts]
        return TaggedWords(
            np.array(starts, np.int32), np.array(ends, np.int32), np.array(numbers, np.uint8)
        )


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], Any]], None]:
    """Install a tagger as `letters`."""

    def install(make: Callable[[str], Any]) -> None:
        point = SimpleNamespace(name="letters", value="package:make", load=lambda: make)
        monkeypatch.setattr(plugin_tagger, "entry_points", lambda group, name="letters": [point])

    return install


def test_plugin_is_loaded_by_its_name_with_what_follows_the_colon(plug: Any) -> None:
    plug(FirstLetters)
    tagger = load_tagger("letters:abc")
    assert tagger is not None
    assert (tagger.name, tagger.class_names, tagger.fingerprint) == (
        "letters:abc",
        ("a", "b", "c"),
        "letters 1",
    )
    (words,) = tagger.tag(["bad cab"])
    assert words.classes.tolist() == [1, 2]
    assert words.starts.tolist() == [0, 4]
    assert words.ends.tolist() == [3, 7]


def test_plugins_are_among_the_known_names(plug: Any) -> None:
    plug(FirstLetters)
    with pytest.raises(UserError, match=r"letters\. Did you mean letters\?"):
        load_tagger("leters")


def words(starts: list[int], ends: list[int], classes: list[int]) -> TaggedWords:
    return TaggedWords(np.array(starts), np.array(ends), np.array(classes))


WRONG = {
    "order": words([2, 0], [3, 1], [0, 0]),
    "overlap": words([0, 1], [2, 3], [0, 0]),
    "empty": words([1], [1], [0]),
    "beyond": words([0], [99], [0]),
    "class": words([0], [1], [7]),
    "too few classes": words([0, 1], [1, 2], [0]),
}


@all_cases("found", WRONG.values(), ids=WRONG)
def test_plugin_words_are_checked(plug: Any, found: TaggedWords) -> None:
    given = SimpleNamespace(class_names=("X",), fingerprint="1", tag=lambda texts: [found])
    plug(lambda argument: given)
    tagger = load_tagger("letters")
    assert tagger is not None
    with pytest.raises(UserError, match="unusable tagger: tagger=letters"):
        tagger.tag(["some text"])
    with pytest.raises(UserError, match="words for 1 of 2 texts"):
        tagger.tag(["some", "text"])


@pytest.mark.parametrize("error", [SystemExit(3), RuntimeError("no [red] model")])
def test_plugin_that_fails_on_a_text_is_named(plug: Any, error: BaseException) -> None:
    def tag(texts: list[str]) -> None:
        raise error

    given = SimpleNamespace(class_names=("X",), fingerprint="1", tag=tag)
    plug(lambda argument: given)
    tagger = load_tagger("letters")
    assert tagger is not None
    said = re.escape(f"tagger=letters: it failed ({type(error).__name__}: {error})")
    with pytest.raises(UserError, match=said):
        tagger.tag(["some text"])


def test_plugin_that_fails_is_named(plug: Any) -> None:
    plug(lambda argument: {}[argument])
    with pytest.raises(UserError, match=r"tagger=letters:x \(package:make\): KeyError: 'x'"):
        load_tagger("letters:x")
    plug(lambda argument: object())
    with pytest.raises(UserError, match="it is no tagger"):
        load_tagger("letters")
    plug(lambda argument: FirstLetters(""))
    with pytest.raises(UserError, match="it has 0 classes"):
        load_tagger("letters")
