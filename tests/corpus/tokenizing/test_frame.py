"""One frame: everything that reads a text puts the same special tokens around it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, processors
from transformers import PreTrainedTokenizerFast

from scored_material import model_for
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.store.corpus import PreparedCorpus
from tidemask.corpus.tokenizing.frame import Frame
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.errors import UserError
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.tasks.classification.features import TextTaskSettings, text_features
from tidemask.tasks.examples import Example
from tidemask.tasks.squad.data import Question
from tidemask.tasks.squad.windows import AnswerWindows, WindowLimits
from tidemask.tasks.tagging.features import TaggingFeatures, WordTokenizer
from tidemask.tasks.tagging.sentences import TaggedSentence
from tidemask.tasks.zero_shot.fill import fill_masks
from tidemask.tasks.zero_shot.minimal_pairs import score_pairs
from tidemask.tasks.zero_shot.pair_files import Pair
from tidemask.tasks.zero_shot.pll import score_texts
from tidemask.tasks.zero_shot.text_tokens import ScoringTokenizer
from tokenizer_kinds import BEGIN, END, MASK, tokenizer_of

FIRST, SECOND = "the quiet river", "a heavy stone"
NAMES = {"cls_token": "<s>", "sep_token": "</s>"}
B, E = (BEGIN,), (END,)

# What a tokenizer has; then what stands before a text and after it; left of a pair, in its middle
# and right of it; and its token types.
FRAMES: dict[str, tuple[dict[str, Any], tuple[Any, Any], tuple[Any, Any, Any], Any]] = {
    "post-processor and names": (
        {"template": ("<s> $A </s>", "<s> $A </s> </s> $B </s>"), **NAMES},
        (B, E), (B, E + E, E), (0, 0, 0, 0, 0),
    ),
    "post-processor alone": (
        {"template": ("<s> $A </s>", "<s> $A </s> $B:1 </s>:1")},
        (B, E), (B, E, E), (0, 0, 0, 1, 1),
    ),
    "post-processor of single texts": (
        {"template": ("<s> $A </s>", None)},
        (B, E), (B, E, E), (0, 0, 0, 1, 1),
    ),
    "post-processor of one side": (
        {"template": ("<s> $A", "<s> $A <s> $B:1"), "eos_token": "</s>"},
        (B, ()), (B, B, ()), (0, 0, 0, 1, 0),
    ),
    "names": (NAMES, (B, E), (B, E, E), (0, 0, 0, 1, 1)),
    "other names": (
        {"bos_token": "<s>", "eos_token": "</s>"}, (B, E), (B, E, E), (0, 0, 0, 1, 1),
    ),
    "one name": ({"eos_token": "</s>"}, ((), E), ((), E, E), (0, 0, 0, 1, 1)),
    "neither": ({}, ((), ()), ((), (), ()), (0, 0, 0, 1, 1)),
}  # fmt: skip
each_frame = pytest.mark.parametrize("form", FRAMES)


def _ids(tokenizer: Any, words: str) -> list[int]:
    found: list[int] = tokenizer(words, add_special_tokens=False)["input_ids"]
    return found


def _corpus(tokenizer: Any, folder: Path, texts: Sequence[str]) -> PreparedCorpus:
    tokenizer.save_pretrained(folder / "tokenizer")
    settings = PrepareSettings(
        tokenizer=str(folder / "tokenizer"),
        tagger="none",
        sequence_length=32,
        held_out=0,
        workers=1,
    )
    documents = [Document(text, "here") for text in texts]
    return prepare_corpus(lambda: documents, out=folder / "corpus", settings=settings)


def _row(corpus: PreparedCorpus) -> list[int]:
    rows = corpus.train.rows(np.array([0]))
    return list(map(int, rows.input_ids[0, : rows.length[0]]))


def _seen(call: Callable[[Any], Any], tokenizer: Any) -> list[list[int]]:
    """The sequences that a model is given."""
    model = model_for(tokenizer, "distilbert")
    seen: list[list[int]] = []
    model.base_model.embeddings.register_forward_pre_hook(
        lambda _, inputs, named: seen.extend(next(iter((*inputs, *named.values()))).tolist()),
        with_kwargs=True,
    )
    call(model)
    return seen


def _tagged(tokenizer: Any) -> list[int]:
    sentence = TaggedSentence(tuple(FIRST.split()), ("O",) * len(FIRST.split()), "here")
    (feature,) = TaggingFeatures([sentence], ("O", "A"), WordTokenizer.of(tokenizer), 64)
    return list(feature["input_ids"])


def _classified(tokenizer: Any, *fields: str) -> dict[str, Any]:
    example = Example({"first": FIRST, "second": SECOND, "label": 1}, "here")
    settings = TextTaskSettings(name="one", text=fields)
    ((feature,), num_cut) = text_features(
        [example], settings, (0, 1), tokenizer, 64, with_token_types=True
    )
    assert num_cut == 0
    return dict(feature)


@each_frame
def test_frame_is_one_for_all_that_read_a_text(form: str, tmp_path: Path) -> None:
    named, (before, after), _, _ = FRAMES[form]
    tokenizer = tokenizer_of("wordpiece", **named)
    inside = _ids(tokenizer, FIRST)
    expected = [*before, *inside, *after]
    assert _row(_corpus(tokenizer, tmp_path, [FIRST])) == expected
    (scored,) = ScoringTokenizer(tokenizer).encode([FIRST])
    assert scored.ids.tolist() == expected
    assert scored.targets.tolist() == inside
    assert _tagged(tokenizer) == expected
    assert _classified(tokenizer, "first")["input_ids"] == expected

    masked = [list(expected) for _ in inside]
    for number, ids in enumerate(masked):
        ids[len(before) + number] = MASK
    pairs = [Pair(FIRST, FIRST, "one", "", "", "here")]
    seen = _seen(lambda model: score_pairs(model, tokenizer, pairs), tokenizer)
    assert sorted(seen) == sorted(masked)
    filled = _seen(lambda model: fill_masks(model, tokenizer, f"{FIRST} <mask>"), tokenizer)
    assert filled == [[*before, *inside, MASK, *after]]


@each_frame
def test_frame_of_a_pair_is_one_for_all_that_read_pairs(form: str) -> None:
    named, _, (left, middle, right), kinds = FRAMES[form]
    tokenizer = tokenizer_of("wordpiece", **named)
    first, second = _ids(tokenizer, FIRST), _ids(tokenizer, SECOND)
    parts = (left, first, middle, second, right)
    expected = {
        "input_ids": [token for part in parts for token in part],
        "token_type_ids": [kind for kind, part in zip(kinds, parts, strict=True) for _ in part],
    }
    limits = WindowLimits(max_length=64, max_question_length=32, doc_stride=8)
    asked = [Question("q", SECOND, FIRST, (), ())]
    (window,) = AnswerWindows(asked, tokenizer, limits, with_labels=False, with_token_types=True)
    assert window == expected
    assert _classified(tokenizer, "first", "second") == {**expected, "labels": 1}


@pytest.mark.parametrize("form", [form for form in FRAMES if "post-processor" in form])
def test_frame_is_what_the_tokenizer_itself_adds(form: str) -> None:
    tokenizer = tokenizer_of("robbert", **FRAMES[form][0])
    frame = Frame.of(tokenizer)
    first, second = _ids(tokenizer, FIRST), _ids(tokenizer, SECOND)
    assert frame.around(first) == tokenizer(FIRST)["input_ids"]
    if not frame.is_of_names:
        pair = tokenizer(FIRST, SECOND, return_token_type_ids=True)
        assert frame.pair.around(first, second) == (pair["input_ids"], pair["token_type_ids"])
    assert frame.is_of_names == (form == "post-processor of single texts")


def test_frame_separates_documents_by_the_end_that_has_a_name(tmp_path: Path) -> None:
    """Also where no token ends a single text."""
    tokenizer = tokenizer_of("wordpiece", **FRAMES["post-processor of one side"][0])
    corpus = _corpus(tokenizer, tmp_path, [FIRST, SECOND])
    assert _row(corpus) == [BEGIN, *_ids(tokenizer, FIRST), END, *_ids(tokenizer, SECOND)]
    assert CorpusInputs.of(corpus).separator_id == END


def test_frame_is_never_text(tmp_path: Path) -> None:
    """Its tokens are not masked or predicted, though the tokenizer names none of them."""
    tokenizer = tokenizer_of("wordpiece", **FRAMES["post-processor alone"][0])
    assert not {BEGIN, END} & set(tokenizer.all_special_ids)
    data = CorpusInputs.of(_corpus(tokenizer, tmp_path, [FIRST, f"{SECOND} </s>"]))
    batch = data.training_set(0).__getitems__([0])
    is_frame = (batch.input_ids == BEGIN) | (batch.input_ids == END)
    assert is_frame.sum() == 3
    assert not (is_frame & batch.maskable).any()
    assert data.vocabulary.is_special[[BEGIN, END]].all()


def test_frame_that_is_not_there_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = tokenizer_of("wordpiece")
    (note,) = Frame.of(tokenizer).notes
    model = model_for(tokenizer, "distilbert")
    calls: list[Callable[[], Any]] = [
        lambda: _corpus(tokenizer, tmp_path, [FIRST]),
        lambda: score_texts(model, tokenizer, [FIRST]),
        lambda: fill_masks(model, tokenizer, "the <mask>"),
    ]
    for call in calls:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            call()
        assert [record.getMessage() for record in caplog.records] == [note]
    assert Frame.of(tokenizer_of("wordpiece", eos_token="</s>")).notes == ()


def test_frame_of_several_tokens_at_an_end_is_refused_in_rows() -> None:
    tokenizer = tokenizer_of("wordpiece", template=("<s> $A </s> <s>", None))
    assert Frame.of(tokenizer).after == (END, BEGIN)
    with pytest.raises(UserError, match=r"several special tokens after a text: .* 3, 2"):
        _ = CorpusTokenizer(tokenizer).end_id


@pytest.mark.parametrize("model", [models.BPE, models.WordLevel])
def test_frame_is_found_with_a_word_that_has_a_token(model: Any) -> None:
    """BPE drops letters that it does not know; a model of words without an unknown one raises."""
    vocabulary = {"<s>": 0, "</s>": 1, "z": 2}
    backend = Tokenizer(model(vocabulary, []) if model is models.BPE else model(vocabulary, ""))
    backend.post_processor = processors.BertProcessing(("</s>", 1), ("<s>", 0))
    frame = Frame.of(PreTrainedTokenizerFast(tokenizer_object=backend))
    assert (frame.before, frame.after) == ((0,), (1,))
    assert frame.pair.types == (0, 0, 0, 1, 1)
