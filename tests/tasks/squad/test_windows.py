"""Windows lose no token of a context, share the stride, and label the answer."""

import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tokenizer_kinds
from cases import random_examples
from squad_texts import TOKENIZERS, byte_level, question, questions, wordpiece
from tidemask.errors import UserError
from tidemask.tasks.squad import tokens as squad_tokens
from tidemask.tasks.squad.data import Question
from tidemask.tasks.squad.windows import AnswerWindows, WindowLimits

LENGTHS = {"max_length": st.integers(14, 70), "max_question_length": st.integers(1, 20)}
LIMITS = st.builds(WindowLimits, **LENGTHS, doc_stride=st.integers(0, 40))
KINDS = st.sampled_from(sorted(TOKENIZERS))
# Letters of several bytes, white space at the ends, marks that are tokens of their own.
PASSAGES = st.text(alphabet="ab é語🙂.,'\u00a0\n", max_size=60)


def windows(asked, tokenizer, limits, with_labels=True, with_token_types=True):
    return AnswerWindows(
        asked,
        tokenizer,
        limits,
        with_labels=with_labels,
        with_token_types=with_token_types,
    )


def wide(max_length=400):
    return WindowLimits(max_length=max_length, max_question_length=64, doc_stride=16)


@given(KINDS, LIMITS, st.integers(0, 1000))
@random_examples(60)
def test_windows_hold_every_token_and_share_the_stride(kind, limits, seed):
    tokenizer = TOKENIZERS[kind]()
    (asked,) = [question(random.Random(seed), num_sentences=seed % 7 + 1)]
    made = windows([asked], tokenizer, limits)
    whole = tokenizer(asked.context, add_special_tokens=False)["input_ids"]
    room = limits.max_length - tokenizer.num_special_tokens_to_add(pair=True)
    num_asked = len(tokenizer(asked.question, add_special_tokens=False)["input_ids"])
    capacity = room - min(num_asked, limits.max_question_length, room // 2)

    reached = 0
    for window, feature in zip(made.windows, made, strict=True):
        held = feature["input_ids"][window.position : window.position + window.num_tokens]
        assert held == whole[window.first_token : window.first_token + window.num_tokens]
        assert len(feature["input_ids"]) <= limits.max_length
        if window is not made.windows[0]:
            assert reached - window.first_token == min(limits.doc_stride, capacity // 2)
        assert window.first_token <= reached  # nothing left out
        assert window.first_token + window.num_tokens > reached  # and no window in vain
        reached = window.first_token + window.num_tokens
    assert reached == len(whole)


@given(KINDS, LIMITS, st.integers(0, 1000))
@random_examples(60)
def test_windows_label_the_answer_or_cls(kind, limits, seed):
    asked = question(random.Random(seed), num_sentences=seed % 7 + 1)
    made = windows([asked], TOKENIZERS[kind](), limits)
    labelled = 0
    for window, feature in zip(made.windows, made, strict=True):
        first, last = feature["start_positions"], feature["end_positions"]
        if (first, last) == (0, 0):
            continue
        labelled += 1
        offsets = made.offsets(window)
        begin = offsets[first - window.position, 0]
        assert asked.context[begin : offsets[last - window.position, 1]] == asked.answers[0]
        assert begin == asked.answer_starts[0]
    assert (labelled == 0) == (made.num_lost == 1)
    if len(made) == 1:
        assert labelled == 1


@given(KINDS, PASSAGES, st.data())
@random_examples(100)
def test_windows_label_the_smallest_run_of_tokens_around_any_answer(kind, passage, data):
    begin = data.draw(st.integers(0, len(passage)))
    end = data.draw(st.integers(begin, len(passage)))
    asked = Question("q", passage, "ab?", (passage[begin:end],), (begin,))
    made = windows([asked], TOKENIZERS[kind](), wide())
    (window,), (feature,) = made.windows, made
    offsets = made.offsets(window)
    first, last = (feature[f"{side}_positions"] for side in ("start", "end"))
    if made.num_lost:
        assert (first, last) == (0, 0)
        assert not any(o[1] > begin and o[0] < end for o in offsets)
        return
    tokens = range(first - window.position, last - window.position + 1)
    inside = [i for i, o in enumerate(offsets) if o[1] > begin and o[0] < end]
    assert (tokens[0], tokens[-1]) == (inside[0], inside[-1])


@given(KINDS, PASSAGES)
@random_examples(100)
def test_windows_have_offsets_without_white_space(kind, passage):
    made = windows([Question("q", passage, "ab?", (), ())], TOKENIZERS[kind](), wide())
    for begin, end in made.offsets(made.windows[0]):
        assert passage[begin:end] == passage[begin:end].strip()


@pytest.mark.parametrize("kind", tokenizer_kinds.KINDS)
@given(st.lists(st.sampled_from("the a I x river lantern é quiet, stone.".split()), min_size=1))
@random_examples(50)
def test_windows_label_whole_words_with_any_mark_of_a_space(kind, words):
    """Each word as an answer: its label is tokens that claim the word and nothing else."""
    tokenizer = tokenizer_kinds.tokenizer_of(kind, cls_token="<s>", sep_token="</s>")
    context, starts = " ".join(words), [len(" ".join([*words[:n], ""])) for n in range(len(words))]
    asked = [
        Question("q", context, "What?", (word.strip(",."),), (start,))
        for word, start in zip(words, starts, strict=True)
    ]
    made = windows(asked, tokenizer, wide())
    assert made.num_lost == 0
    for one, window, feature in zip(asked, made.windows, made, strict=True):
        offsets = made.offsets(window)
        begin = offsets[feature["start_positions"] - window.position, 0]
        end = offsets[feature["end_positions"] - window.position, 1]
        assert (context[begin:end], begin) == (one.answers[0], one.answer_starts[0])


@pytest.mark.parametrize("kind", sorted(TOKENIZERS))
def test_windows_of_short_texts_are_what_the_tokenizer_makes_of_the_pair(kind):
    tokenizer = TOKENIZERS[kind]()
    asked = questions(5)
    for one, feature in zip(asked, windows(asked, tokenizer, wide()), strict=True):
        pair = tokenizer(one.question, one.context, return_token_type_ids=True)
        assert feature["input_ids"] == pair["input_ids"]
        assert feature["token_type_ids"] == pair["token_type_ids"]


@given(KINDS, st.integers(60, 90), st.integers(0, 8), st.integers(0, 1000))
@random_examples(40)
def test_windows_are_those_of_the_tokenizer_itself(kind, max_length, doc_stride, seed):
    """Its own windows serve where no question is cut and the stride is below its cap."""
    tokenizer = TOKENIZERS[kind]()
    asked = question(random.Random(seed), num_sentences=6)
    limits = WindowLimits(max_length=max_length, max_question_length=64, doc_stride=doc_stride)
    made = windows([asked], tokenizer, limits)
    assume(made.num_cut == 0)
    others = tokenizer(
        asked.question,
        asked.context,
        truncation="only_second",
        max_length=max_length,
        stride=doc_stride,
        return_overflowing_tokens=True,
        return_token_type_ids=True,
    )
    assert [feature["input_ids"] for feature in made] == others["input_ids"]
    assert [feature["token_type_ids"] for feature in made] == others["token_type_ids"]


def test_windows_of_a_tokenizer_that_joins_nothing_are_joined_as_in_bert():
    tokenizer = byte_level(joins=False)
    asked = questions(1)
    (feature,) = windows(asked, tokenizer, wide())
    one, two = (
        tokenizer(text, add_special_tokens=False)["input_ids"]
        for text in (asked[0].question, asked[0].context)
    )
    assert feature["input_ids"] == [0, *one, 2, *two, 2]
    assert feature["token_type_ids"] == [0] * (len(one) + 2) + [1] * (len(two) + 1)


def test_windows_take_letters_of_a_special_token_as_text():
    """And the answer behind them is where it is."""
    context = "the [SEP] river [MASK] lantern"
    start = context.index("lantern")
    asked = Question("1", context, "Who [CLS] left?", ("lantern",), (start,))
    made = windows([asked], wordpiece(), wide())
    (feature,) = made
    assert feature["input_ids"].count(wordpiece().sep_token_id) == 2
    assert feature["input_ids"].count(wordpiece().cls_token_id) == 1
    assert wordpiece().mask_token_id not in feature["input_ids"]
    offsets = made.offsets(made.windows[0])
    begin = offsets[feature["start_positions"] - made.windows[0].position, 0]
    end = offsets[feature["end_positions"] - made.windows[0].position, 1]
    assert context[begin:end] == "lantern"


def test_windows_have_no_labels_and_token_types_unless_asked():
    (feature,) = windows(questions(1), wordpiece(), wide(), False, False)
    assert list(feature) == ["input_ids"]


def test_windows_of_a_question_without_answer_are_labelled_with_cls():
    asked = questions(5, share_with_answer=0.0)
    made = windows(asked, wordpiece(), wide(30))
    assert len(made) > len(asked)
    assert {feature["end_positions"] for feature in made} == {0}
    assert made.num_lost == 0


def test_windows_cut_long_questions_and_count_them():
    short, long = questions(2)
    long = Question("long", long.context, "Who left? " * 30, long.answers, long.answer_starts)
    made = windows([short, long], wordpiece(), wide(64))
    assert made.num_cut == 1
    # 61 tokens besides the special ones: half for the question.
    assert max(window.position for window in made.windows) == 30 + 2


def test_windows_are_the_same_however_many_texts_are_tokenised_at_once(monkeypatch):
    asked = questions(7)
    expected = list(windows(asked, wordpiece(), wide()))
    monkeypatch.setattr(squad_tokens, "_CHUNK_TEXTS", 3)
    assert list(windows(asked, wordpiece(), wide())) == expected


def test_windows_of_an_empty_context_are_one():
    made = windows([Question("q", "", "Who?", (), ())], wordpiece(), wide())
    assert [window.num_tokens for window in made.windows] == [0]


def test_windows_need_room():
    with pytest.raises(UserError, match="max_length=10 leaves room for 7 tokens"):
        windows(questions(1), wordpiece(), wide(10))
