"""The rules that disambiguate a word's class: against a slow reading of a few, and their reach."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidemask.corpus.tagging.upos_rules import (
    BOUNDARY,
    CLOSED_CLASS,
    KIND_INDEX,
    KINDS,
    PENN_KIND,
    disambiguate,
)
from tidemask.token_classes import UPOS

KIND_RUNS = st.lists(st.integers(0, len(KINDS) - 1).filter(lambda kind: kind != BOUNDARY))


def settled(*kinds: str) -> list[str]:
    indices = np.array([KIND_INDEX[kind] for kind in kinds], dtype=np.uint8)
    return [UPOS[tag] for tag in disambiguate(indices)]


def test_every_kind_that_a_word_can_get_is_known() -> None:
    assert set(PENN_KIND.values()) | set(CLOSED_CLASS.values()) <= set(KINDS)


def test_open_classes_do_not_change_among_themselves() -> None:
    unchanged = ["PROPN", "VERB", "ADJ", "NOUN", "PUNCT", "ADV", "NUM", "X", "SYM"]
    assert settled(*unchanged) == unchanged


@given(left=KIND_RUNS, right=KIND_RUNS)
def test_no_rule_reaches_over_a_boundary(left: list[int], right: list[int]) -> None:
    together = disambiguate(np.array([*left, BOUNDARY, *right, BOUNDARY], dtype=np.uint8))
    assert together[: len(left)].tolist() == disambiguate(np.array(left, dtype=np.uint8)).tolist()
    alone = disambiguate(np.array(right, dtype=np.uint8))
    assert together[len(left) + 1 : -1].tolist() == alone.tolist()


@given(kinds=KIND_RUNS)
def test_to_is_a_particle_before_a_verb_or_bare_noun_behind_at_most_one_adverb(
    kinds: list[int],
) -> None:
    names = [KINDS[kind] for kind in kinds] + ["boundary", "boundary"]
    tags = disambiguate(np.array(kinds, dtype=np.uint8))
    for position, name in enumerate(names[:-2]):
        if name == "to":
            behind = names[position + 1]
            if behind in ("ADV", "not"):
                behind = names[position + 2]
            is_particle = behind in ("base", "be", "have", "do", "noun")
            assert UPOS[tags[position]] == ("PART" if is_particle else "ADP")


def test_auxiliaries_are_found_behind_a_negation() -> None:
    assert settled("he", "have", "not", "past") == ["PRON", "AUX", "PART", "VERB"]
    assert settled("he", "have", "DET", "NOUN") == ["PRON", "VERB", "DET", "NOUN"]
