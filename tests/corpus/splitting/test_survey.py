"""Which documents are dropped as copies, in several scripts, against the texts themselves."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tidemask.corpus.sources.documents import Document
from tidemask.corpus.splitting.plan import KEPT, Split, SplitPlan
from tidemask.corpus.splitting.survey import Deduplicate, Survey, surveyed
from tidemask.corpus.units import Unit, compared_units
from tidemask.corpus.words.spans import GivenWords, bounds_of
from tidemask.errors import UserError

Plan = Callable[..., SplitPlan]


@pytest.fixture
def planned(tmp_path: Path) -> Plan:
    """The plan of texts or documents."""

    def plan(
        documents: Iterable[str | Document],
        deduplicate: Deduplicate = "near",
        *,
        held_out: float = 0,
        unit: Unit = "word",
        threshold: float = 0.7,
    ) -> SplitPlan:
        survey = Survey(
            tmp_path, held_out=held_out, deduplicate=deduplicate, threshold=threshold, unit=unit
        )
        return surveyed(
            (d if isinstance(d, Document) else Document(d, "x") for d in documents), survey
        )

    return plan


def _jaccard(one: str, other: str) -> float:
    sets = []
    for text in (one, other):
        units = compared_units(text, "word")
        sets.append({tuple(units[i : i + 5]) for i in range(max(1, len(units) - 4))})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def _text(rng: random.Random, letters: str, num_words: int, space: str) -> str:
    lengths = (rng.randint(1, 4) for _ in range(num_words))
    return space.join("".join(rng.choices(letters, k=length)) for length in lengths)


def _with_changes(rng: random.Random, text: str, share: float, letters: str) -> str:
    return "".join(rng.choice(letters) if rng.random() < share else one for one in text)


HAN = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏"
HINDI = "कखगघचछजझटठडढणतथदधनपफबभमयरलवशषसहािीुूेैोौंँ्"
LATIN = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("letters", "space", "words"),
    [(HAN, "", 120), (HINDI, " ", 150), (LATIN, " ", 150)],
    ids=["Chinese", "Hindi", "Latin"],
)
def test_near_copies_are_found_in_every_script_and_others_kept(
    planned: Plan, letters: str, space: str, words: int
) -> None:
    rng = random.Random(11)
    originals = [_text(rng, letters, words, space) for _ in range(40)]
    changed_share = 0.02 if not space else 0.005  # a letter of a word changes the word
    copies = [_with_changes(rng, text, changed_share, letters) for text in originals[:20]]
    plan = planned(originals + copies)
    assert plan.splits[:40] == bytes([Split.TRAIN]) * 40
    alike = [_jaccard(*pair) for pair in zip(originals, copies, strict=False)]
    assert plan.num_copies >= 17
    for number, index in enumerate(alike):
        if index >= 0.8:
            assert plan.splits[40 + number] in (Split.NEAR_COPY, Split.COPY)
        if index <= 0.55:
            assert plan.splits[40 + number] == Split.TRAIN
    assert (plan.twins.kept == plan.twins.copies - 40).all()


def test_notes_with_a_common_template_are_kept(planned: Plan) -> None:
    rng = random.Random(2)
    template = _text(rng, LATIN, 200, " ")
    notes = [f"{template} {_text(rng, LATIN, 150, ' ')}" for _ in range(40)]
    for deduplicate in ("exact", "auto", "near"):
        assert planned(notes, deduplicate).num_kept == 40


@pytest.mark.slow
def test_kept_documents_are_not_alike_and_each_dropped_one_is_like_its_twin(planned: Plan) -> None:
    rng = random.Random(4)
    texts: list[str] = []
    for _ in range(150):
        if texts and rng.random() < 0.6:
            words = rng.choice(texts).split()
            share = rng.choice([0.01, 0.03, 0.1])
            texts.append(
                " ".join(
                    _text(rng, LATIN, 1, "") + "q" if rng.random() < share else w for w in words
                )
            )
        else:
            texts.append(_text(rng, LATIN, rng.randint(20, 200), " "))
    plan = planned(texts)
    kept = [n for n, split in enumerate(plan.splits) if split in KEPT]
    assert 40 < len(kept) < 140
    for place, one in enumerate(kept):
        for other in kept[place + 1 :]:
            assert _jaccard(texts[one], texts[other]) < 0.85
    for copy, twin, agreement in zip(*vars(plan.twins).values(), strict=True):
        assert twin < copy
        assert twin in kept
        assert agreement >= np.float32(0.7)
        assert abs(agreement - _jaccard(texts[copy], texts[twin])) < 0.2


def test_exact_copies_alone_are_dropped_by_default(planned: Plan) -> None:
    text = "The fox saw the grapes. " * 30
    texts = ["", text, text.replace(" ", "\n", 3) + " ", text.upper(), text + "And left.", " \n"]
    plan = planned(texts, "exact")
    assert list(plan.splits) == [
        Split.EMPTY, Split.TRAIN, Split.COPY, Split.TRAIN, Split.TRAIN, Split.EMPTY,
    ]  # fmt: skip
    assert (plan.twins.copies.tolist(), plan.twins.kept.tolist()) == ([2], [1])
    assert {reason: n for reason, n in plan.drops.items() if n} == {"empty": 2, "copy": 1}
    assert planned(texts, "none").num_kept == 4


def test_auto_leaves_short_texts_that_are_alike(planned: Plan) -> None:
    short = ["Good morning to you all!", "Good morning, to you all.", "Good morning to you all!"]
    long = [" ".join(f"word{n}" for n in range(80)), " ".join(f"word{n}" for n in range(81))]
    assert list(planned(short + long, "auto").splits) == [
        Split.TRAIN, Split.TRAIN, Split.COPY, Split.TRAIN, Split.NEAR_COPY,
    ]  # fmt: skip
    assert planned(short + long, "near").count(Split.NEAR_COPY) == 2


def test_unit_and_threshold_decide_what_is_alike(planned: Plan) -> None:
    rng = random.Random(8)
    words = _text(rng, LATIN, 100, " ").split()
    # Every fourth word has one letter more: all shingles of words differ, few of characters do.
    other = [word + "q" if place % 4 == 0 else word for place, word in enumerate(words)]
    texts = [" ".join(words), " ".join(other)]
    assert planned(texts, unit="word", threshold=0.3).num_kept == 2
    assert planned(texts, unit="character", threshold=0.3).num_kept == 1
    assert planned(texts, unit="character", threshold=0.99).num_kept == 2


@pytest.mark.parametrize("deduplicate", ["none", "exact", "near"])
def test_held_out_texts_are_dropped_from_training_whatever_the_order(
    planned: Plan, deduplicate: Deduplicate
) -> None:
    texts = [f"Text {n} about {n + 7} things." for n in range(6)]
    training = [Document(text, "train", held_out=False) for text in texts]
    held_out = [Document(texts[n] + "\n", "test", held_out=True) for n in (1, 4)]
    for documents in (training + held_out, held_out + training):
        plan = planned(documents, deduplicate)
        splits = dict(
            zip([(d.source, d.text.strip()) for d in documents], plan.splits, strict=True)
        )
        for number, text in enumerate(texts):
            inside = number in (1, 4)
            assert splits["train", text] == (Split.HELD_OUT_COPY if inside else Split.TRAIN)
            assert splits.get(("test", text)) == (Split.HELD_OUT if inside else None)


def test_copies_that_are_kept_are_on_one_side(planned: Plan) -> None:
    texts = [f"Text {n % 30} of several." for n in range(90)]
    plan = planned(texts, "none", held_out=0.3)
    assert plan.num_kept == 90
    for number in range(30):
        assert len({plan.splits[n] for n in range(number, 90, 30)}) == 1
    assert 0.27 <= plan.held_out_words <= 0.33


def test_the_digest_is_of_texts_sources_and_places(planned: Plan) -> None:
    spans = [(3 * i, 3 * i + 2) for i in range(2000)]
    others = [*spans[:1000], (3000, 3001), *spans[1001:]]
    tags = ("NOUN",) * 2000
    streams = [
        [Document("one two", "a")],
        [Document("one two ", "a")],
        [Document("one two", "b")],
        [Document("one two", "a", place=3)],
        [Document("one", "a"), Document("two", "a")],
        [Document("ab " * 2000, "a", words=GivenWords(*bounds_of(spans), tags))],
        [Document("ab " * 2000, "a", words=GivenWords(*bounds_of(others), tags))],
    ]
    digests = [planned(stream).digest for stream in streams]
    assert len(set(digests)) == len(streams)
    assert all(one != other for one, other in pairwise(digests))
    assert planned(streams[0]).digest == digests[0]


def test_a_lone_surrogate_is_refused(planned: Plan) -> None:
    with pytest.raises(UserError, match="text of here"):
        planned([Document("\ud800", "here")])


def test_copies_of_what_is_dropped_as_a_near_copy_have_its_twin(planned: Plan) -> None:
    first = " ".join(f"word{n}" for n in range(60))
    near = first + " more"
    documents = [
        Document(first, "test", held_out=True),
        Document(near, "test", held_out=True),
        Document(near, "train", held_out=False),
        Document(near + "\n", "train", held_out=False),
    ]
    plan = planned(documents)
    assert list(plan.splits) == [
        Split.HELD_OUT, Split.NEAR_COPY, Split.HELD_OUT_COPY, Split.HELD_OUT_COPY,
    ]  # fmt: skip
    assert plan.twins.kept.tolist() == [0, 0, 0]
    assert len(set(plan.twins.agreement.tolist())) == 1
