"""Groups: whole or not at all, never a special token, and what is in no group goes by words."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tidemask
from annotated_corpora import TEXTS, column_values, placed_tokens, prepared
from cases import all_cases, random_examples
from law_policies import CONTENTS, MIXTURES, masked_by, masker_of, text, units_of
from masking_texts import repeated
from tidemask.masking.policy_part import SequencePart

POLICIES = {
    "uniform": {},
    "fixed budget": {"budget": "fixed", "content": CONTENTS["scores"]},
    "mixture": {"content": MIXTURES["column, entries and frequency"]},
    "statistic of entities": {"content": CONTENTS["accuracy"]},
    "part of the sequences": {"sequences": (SequencePart(share=1.0, content=CONTENTS["nouns"]),)},
}
BATCHES = st.builds(text, st.integers(1, 5), st.integers(1, 60), st.integers(0, 2**31))


def with_phrases(batch, phrases):
    return replace(batch, columns={**batch.columns, "phrases": phrases})


def assert_whole(units, selected):
    """Each unit of each row has all of its positions selected, or none."""
    for names, drawn in zip(units, selected.numpy(), strict=True):
        for name in np.unique(names):
            of_unit = drawn[names == name]
            assert of_unit.all() if of_unit[0] and name else not of_unit.any(), name


@given(BATCHES, st.sampled_from([*POLICIES]), st.floats(0.02, 1.0), st.integers(0, 2**31))
@random_examples(150)
def test_law_of_groups_units_are_masked_whole_or_not_at_all(batch, name, ratio, seed):
    """What stands side by side of the rest of a word is one; special tokens are in none."""
    masked = masked_by(masker_of(ratio, "group", **POLICIES[name]), batch, seed=seed)
    assert_whole(units_of(batch, "group"), masked.selected)
    assert not masked.selected[~batch.maskable].any()


@given(BATCHES, st.sampled_from([*POLICIES]), st.integers(0, 2**31))
@random_examples(60)
def test_law_of_groups_without_any_they_are_words(batch, name, seed):
    """-1 everywhere masks as the unit `word` does, to the last bit; so it does at one place."""
    policy = POLICIES[name] | {"content": CONTENTS["scores"]}
    policy.pop("sequences", None)
    none = with_phrases(batch, torch.full_like(batch.columns["phrases"], -1))
    by_group = masked_by(masker_of(0.3, "group", **policy), none, seed=seed)
    by_word = masked_by(masker_of(0.3, "word", **policy), none, seed=seed)
    assert torch.equal(by_group.selected, by_word.selected)
    assert torch.equal(by_group.input_ids, by_word.input_ids)


@given(BATCHES, st.integers(0, 2**31))
@random_examples(60)
def test_law_of_groups_ids_at_special_tokens_change_nothing(batch, seed):
    phrases = batch.columns["phrases"]
    ids = torch.arange(phrases.shape[1], dtype=phrases.dtype).expand_as(phrases)
    everywhere = with_phrases(batch, torch.where(batch.maskable, phrases, ids // 2))
    masker = masker_of(0.4, "group", CONTENTS["scores"])
    one, other = masked_by(masker, batch, seed=seed), masked_by(masker, everywhere, seed=seed)
    assert torch.equal(one.selected, other.selected)
    assert not other.selected[~batch.maskable].any()


@given(BATCHES, st.integers(0, 2**31))
@random_examples(60)
def test_law_of_groups_only_who_is_together_matters_for_chances(batch, seed):
    """Other ids for the same groups give each position the same chance."""
    phrases = batch.columns["phrases"].numpy()
    names = np.random.default_rng(seed).permutation(phrases.shape[1]).astype(np.int32)
    renamed = with_phrases(batch, torch.tensor(np.where(phrases < 0, -1, names[phrases])))
    masker = masker_of(1 - 1e-9, "group", CONTENTS["frequency"], loss_weight="inverse_inclusion")
    low = masker_of(0.5, "group", CONTENTS["frequency"], loss_weight="inverse_inclusion")
    for at in (masker, low):
        one, other = masked_by(at, batch, seed=seed), masked_by(at, renamed, seed=seed)
        both = one.selected & other.selected
        torch.testing.assert_close(one.loss_weight[both], other.loss_weight[both])


@all_cases("name", ["uniform", "mixture", "statistic of entities"])
def test_law_of_groups_two_of_them_are_drawn_apart(name):
    """Over 4,000 draws the outcomes of different units of a row are independent: chi-square."""
    batch = text(1, 40, seed=8)
    times = 4000
    masked = masked_by(masker_of(0.3, "group", **POLICIES[name]), repeated(batch, times))
    units = units_of(batch, "group")[0]
    first = [np.flatnonzero(units == one)[0] for one in np.unique(units[units > 0])]
    drawn = masked.selected.numpy()[:, first].astype(float)
    correlation = np.corrcoef(drawn[:, drawn.std(0) > 0].T)
    apart = correlation[np.triu_indices_from(correlation, 1)] * np.sqrt(times)
    assert len(apart) > 50
    assert np.abs(apart).max() < 5.0
    assert (apart**2).mean() < 1.5


@pytest.mark.slow
def test_law_of_groups_of_a_corpus_never_cross_a_document(tmp_path):
    """Spans over whole texts: in rows of several documents each piece of a text is one unit."""
    corpus, spans = prepared(tmp_path), tmp_path / "spans.jsonl"
    whole = [{"place": i + 1, "begin": 0, "end": len(one)} for i, one in enumerate(TEXTS)]
    spans.write_text("".join(json.dumps(one) + "\n" for one in whole), "utf-8")
    source = f"file:{spans}"
    tidemask.annotate(corpus, column="phrases", source=source, kind="group", progress=False)
    phrases = torch.tensor(column_values(corpus, "phrases")["train"], dtype=torch.int32)
    places = [one for one in placed_tokens(corpus) if one.split == "train"]
    pieces = {(one.row, one.document) for one in places}
    assert len(pieces) > len({row for row, _ in pieces})
    masker = masker_of(0.5, "group")
    outcomes = {piece: set() for piece in pieces}
    by_row = {row: [document for r, document in pieces if r == row] for row, _ in pieces}
    apart = 0
    for step in range(40):
        drawn = masked_by(masker, batch_of(phrases), step=step).selected
        for one in places:
            outcomes[one.row, one.document].add((step, bool(drawn[one.row, one.position])))
    for piece, seen in outcomes.items():
        assert len(seen) == 40, piece  # one outcome a step
        others = [outcomes[piece[0], other] for other in by_row[piece[0]] if other != piece[1]]
        apart += len(others)
        assert all(seen != other for other in others), piece
    assert apart > 0


def batch_of(phrases):
    """Rows of any ids with these groups, where nothing is special."""
    num_sequences, length = phrases.shape
    blank = text(num_sequences, length, seed=1)
    return replace(
        with_phrases(blank, phrases),
        maskable=torch.ones_like(blank.maskable),
        document_starts=torch.zeros_like(blank.maskable),
    )
