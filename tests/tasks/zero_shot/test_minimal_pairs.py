"""Minimal pairs: files, accuracies and their errors."""

from __future__ import annotations

import json
import lzma
import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedModel

from places import SHARED_DATA
from scored_material import model_for, sentences, slow_scores, wordpiece
from tidemask.errors import UserError
from tidemask.tasks.zero_shot.minimal_pairs import PairScores, score_pairs
from tidemask.tasks.zero_shot.pair_files import Pair, fingerprint_of_pairs, pair_files, read_pairs
from tidemask.tasks.zero_shot.scoring import ScoringSettings

FLOAT32 = ScoringSettings(precision="float32")

BLIMP = SHARED_DATA / "eval" / "blimp"


def _pair(good: str, bad: str, paradigm: str = "p", phenomenon: str = "", field: str = "") -> Pair:
    return Pair(good, bad, paradigm, phenomenon, field, f"{paradigm}.jsonl, line 1")


def _shuffled(number: int, seed: int) -> list[Pair]:
    """Sentences, and the same with two neighbouring words in the other order."""
    rng = random.Random(seed)
    pairs = []
    for sentence in sentences(number, seed=seed):
        words = sentence.rstrip(".!?").split()
        place = rng.randrange(len(words) - 1)
        bad = [*words[:place], words[place + 1], words[place], *words[place + 2 :]]
        if bad != words:
            pairs.append(_pair(" ".join(words), " ".join(bad)))
    return pairs


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return model_for(wordpiece())


@pytest.mark.slow
def test_minimal_pairs_compare_sums_over_tokens(model: PreTrainedModel) -> None:
    pairs = _shuffled(6, seed=1)
    found = score_pairs(model, wordpiece(), pairs, FLOAT32)
    for row, pair in enumerate(pairs):
        good, bad = (
            sum(slow_scores(model, wordpiece(), sentence, "original"))
            for sentence in (pair.good, pair.bad)
        )
        assert found.good[row] == pytest.approx(good, abs=1e-4)
        assert found.bad[row] == pytest.approx(bad, abs=1e-4)
        assert found.is_right[row] == (good > bad)


@pytest.mark.slow
def test_minimal_pairs_of_a_random_model_are_right_half_the_time(model: PreTrainedModel) -> None:
    """Which sentence of a pair is called good is a coin's choice: six standard errors of it."""
    rng = random.Random(2)
    pairs = [
        pair if rng.random() < 0.5 else _pair(pair.bad, pair.good)
        for pair in _shuffled(150, seed=3)
    ]
    share = score_pairs(model, wordpiece(), pairs, FLOAT32).metrics()["accuracy"]
    assert abs(share - 0.5) < 6 * math.sqrt(0.25 / len(pairs))


def _scores(rows: list[tuple[str, str, str, bool]]) -> PairScores:
    """Of paradigm, phenomenon, field and whether the pair is right."""
    pairs = [_pair("a", "b", *groups) for *groups, _ in rows]
    good = np.array([1.0 if right else -1.0 for *_, right in rows])
    nothing = np.zeros(len(rows), np.bool_)
    return PairScores(pairs, good, np.zeros(len(rows)), *[nothing] * 4)


def test_minimal_pairs_average_over_paradigms_and_over_pairs() -> None:
    rows = [("p1", "f", "s", True)] * 3 + [("p1", "f", "s", False)]
    rows += [("p2", "f", "s", True)] * 2 + [("p3", "g", "s", False)] * 2
    metrics = _scores(rows).metrics()
    assert metrics["paradigm/p1"] == 0.75
    assert metrics["paradigm/p2"] == 1.0
    assert metrics["paradigm/p3"] == 0.0
    assert metrics["phenomenon/f"] == pytest.approx((0.75 + 1.0) / 2)
    assert metrics["phenomenon/g"] == 0.0
    assert metrics["field/s"] == metrics["accuracy"] == pytest.approx((0.75 + 1.0 + 0.0) / 3)
    assert metrics["micro_accuracy"] == pytest.approx(5 / 8)
    assert metrics["paradigm/p1_standard_error"] == pytest.approx(math.sqrt(0.75 * 0.25 / 4))
    assert metrics["accuracy_standard_error"] == pytest.approx(math.sqrt(0.75 * 0.25 / 4) / 3)
    assert metrics["micro_accuracy_standard_error"] == pytest.approx(math.sqrt(5 / 8 * 3 / 8 / 8))
    assert metrics["num_pairs"] == 8
    assert metrics["num_ties"] == 0


def test_minimal_pairs_with_the_same_tokens_are_wrong_and_said_so(model: PreTrainedModel) -> None:
    pairs = [_pair("The river", "the River"), *_shuffled(3, seed=4)]
    found = score_pairs(model, wordpiece(), pairs, FLOAT32)
    assert found.is_alike.tolist() == [True, *[False] * (len(pairs) - 1)]
    assert not found.is_right[0]
    assert found.metrics()["num_ties"] == 1
    assert found.notes() == (
        f"1 of {len(pairs)} pairs have the same tokens in both sentences and count as wrong; the "
        "first is p.jsonl, line 1.",
    )


def test_minimal_pairs_without_a_token_are_wrong_and_said_so(model: PreTrainedModel) -> None:
    pairs = [_pair("\u200b", "the river"), _pair("the river", "\u200b"), *_shuffled(3, seed=4)]
    found = score_pairs(model, wordpiece(), pairs, FLOAT32)
    assert found.good[0] == found.bad[1] == 0.0
    assert found.is_empty.tolist() == [True, True, *[False] * (len(pairs) - 2)]
    assert not found.is_right[:2].any()
    assert found.notes() == (
        f"2 of {len(pairs)} pairs have a sentence without a token and count as wrong; the first is "
        "p.jsonl, line 1.",
    )


def test_minimal_pairs_longer_than_the_model_are_cut_and_said_so(model: PreTrainedModel) -> None:
    long = "winter " * 70
    pairs = [_pair("river", "stone"), _pair("river " + long, "stone " + long)]
    found = score_pairs(model, wordpiece(), pairs, FLOAT32)
    assert found.is_cut.tolist() == [False, True]
    assert "1 of 2 pairs are longer than the model" in found.notes()[0]
    short = "river" + " winter" * 61
    assert found.good[1] == pytest.approx(
        sum(slow_scores(model, wordpiece(), short, "original")), abs=1e-3
    )


def _write(path: Path, *lines: object) -> Path:
    opened = lzma.open if path.suffix == ".xz" else open
    with opened(path, "wt", encoding="utf-8") as file:
        for line in lines:
            file.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
    return path


def test_minimal_pairs_files_of_every_form(tmp_path: Path) -> None:
    blimp = {"sentence_good": "a b", "sentence_bad": "b a", "UID": "order"}
    blimp |= {"linguistics_term": "words", "field": "syntax", "pairID": "0"}
    _write(tmp_path / "b.jsonl.xz", blimp, {**blimp, "sentence_bad": "a b"})
    _write(tmp_path / "a.tsv", "good\tbad", "c d\td c", "", "e f\tf e")
    _write(tmp_path / "c.own.jsonl", {"good": "g h", "bad": "h g"})
    (tmp_path / "README").write_text("x")
    pairs = read_pairs(pair_files(tmp_path))
    assert [(p.good, p.bad, p.paradigm, p.phenomenon, p.field) for p in pairs] == [
        ("c d", "d c", "a", "", ""),
        ("e f", "f e", "a", "", ""),
        ("a b", "b a", "order", "words", "syntax"),
        ("a b", "a b", "order", "words", "syntax"),
        ("g h", "h g", "c", "", ""),
    ]
    assert pairs[1].place == f"{tmp_path / 'a.tsv'}, line 4"
    assert len(read_pairs(pair_files(tmp_path / "a.tsv"), limit=1)) == 1
    assert len(read_pairs(pair_files(tmp_path), limit=1)) == 3
    before = fingerprint_of_pairs(pair_files(tmp_path))
    _write(tmp_path / "c.own.jsonl", {"good": "g h i", "bad": "h g"})
    assert fingerprint_of_pairs(pair_files(tmp_path)) != before


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("a.tsv", "only one", r"a\.tsv, line 2 has 1 columns"),
        ("a.tsv", "\tb", r"a\.tsv, line 2: sentence_good=''"),
        ("a.jsonl", "{", r"damaged example: .*a\.jsonl, line 2: Expecting"),
        ("a.jsonl", '{"good": "a \\ud800", "bad": "b"}', r"a\.jsonl, line 2: .*surrogate"),
        ("a.jsonl", '{"good": "a", "good": "c", "bad": "b"}', r"a\.jsonl, line 2: the key good"),
        ("a.jsonl", "[" * 100_000, r"a\.jsonl, line 2: it is nested too deeply"),
        ("a.jsonl", "[]", r"a\.jsonl, line 2: .* Expected one JSON object"),
        ("a.jsonl", '{"good": "a"}', r"a\.jsonl, line 2 has good\. Expected sentence_good"),
        ("a.jsonl", '{"good": "a", "bad": 3}', r"a\.jsonl, line 2: bad=3"),
        ("a.jsonl", '{"good": "a", "bad": "a"}', r"a\.jsonl, line 2: both sentences are 'a'"),
    ],
)
def test_minimal_pairs_refuse_a_bad_line_by_its_number(
    tmp_path: Path, name: str, line: str, message: str
) -> None:
    first = "a b\tb a" if name == "a.tsv" else {"good": "a b", "bad": "b a"}
    files = pair_files(_write(tmp_path / name, first, line))
    with pytest.raises(UserError, match=message):
        read_pairs(files)


def test_minimal_pairs_refuse_what_holds_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        pair_files(tmp_path / "nowhere.jsonl")
    with pytest.raises(UserError, match="has no file that ends in"):
        pair_files(tmp_path)
    with pytest.raises(UserError, match="unknown file ending"):
        pair_files(_write(tmp_path / "a.doc", "a,b"))
    with pytest.raises(UserError, match=r"a\.tsv has none"):
        read_pairs(pair_files(_write(tmp_path / "a.tsv", "")))


@pytest.mark.slow
@pytest.mark.skipif(not BLIMP.is_dir(), reason="the shared data is not here")
def test_minimal_pairs_of_blimp_are_all_there() -> None:
    pairs = read_pairs(pair_files(BLIMP))
    assert len(pairs) == 67_000
    assert len({pair.paradigm for pair in pairs}) == 67
    phenomena = Counter(pair.phenomenon for pair in pairs)
    assert len(phenomena) == 12
    assert phenomena["argument_structure"] == 9_000
    assert len({(pair.phenomenon, pair.field) for pair in pairs}) == 12
    assert len({pair.field for pair in pairs}) == 4
    assert sum(pair.good == pair.bad for pair in pairs) == 7
