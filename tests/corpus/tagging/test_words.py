import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidemask.corpus.tagging.words import TaggedWords, align_classes, own_classes
from tidemask.token_classes import NO_CLASS


def tagged(*words):
    """Words as (start, end, class)."""
    starts, ends, classes = np.array(words, np.int32).reshape(-1, 3).T
    return TaggedWords(starts, ends, classes.astype(np.uint8))


def align(words, tokens):
    """Classes of tokens given as (start, end, starts a word)."""
    starts, ends, word_starts = np.array(tokens, np.int32).reshape(-1, 3).T
    arguments = (words, starts, ends, word_starts.astype(np.bool_))
    before = [words.starts.copy(), words.ends.copy(), words.classes.copy(), starts.copy()]
    classes = align_classes(*arguments)
    assert classes.dtype == np.uint8
    unchanged = zip(before, [words.starts, words.ends, words.classes, starts], strict=True)
    assert all((one == other).all() for one, other in unchanged)
    return classes.tolist()


def own(words, tokens):
    """Classes of tokens by themselves."""
    starts, ends, word_starts = np.array(tokens, np.int32).reshape(-1, 3).T
    return own_classes(words, starts, ends, word_starts.astype(np.bool_)).tolist()


def slow_align(words, tokens):
    """Word by word, character by character."""
    groups = []
    for index, (start, end, is_start) in enumerate(tokens):
        if is_start or index == 0:
            groups.append([])
        groups[-1].append((start, end))
    result = []
    for group in groups:
        characters = set(range(group[0][0], group[-1][1]))
        shared = [
            len(characters & set(range(start, end)))
            for start, end in zip(words.starts.tolist(), words.ends.tolist(), strict=True)
        ]
        best = max(shared, default=0)
        value = int(words.classes[shared.index(best)]) if best else NO_CLASS
        result += [value] * len(group)
    return result


@st.composite
def tagger_words(draw):
    cuts = sorted(draw(st.lists(st.integers(0, 25), max_size=16)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    return tagged(*((start, end, draw(st.integers(0, 16))) for start, end in pairs))


@st.composite
def tokens(draw):
    """Ascending offsets, some without characters, some within the same character."""
    result, position = [], 0
    for _ in range(draw(st.integers(0, 14))):
        kind = draw(st.sampled_from(["next", "next", "gap", "same", "empty"]))
        if kind == "same" and result:
            result.append((result[-1][0], result[-1][1], False))
            continue
        start = position + (draw(st.integers(1, 3)) if kind == "gap" else 0)
        end = start + (0 if kind == "empty" else draw(st.integers(1, 4)))
        result.append((start, end, draw(st.booleans())))
        position = end
    return result


@given(words=tagger_words(), some_tokens=tokens())
def test_alignment_is_that_of_a_slow_reference(words, some_tokens):
    assert align(words, some_tokens) == slow_align(words, some_tokens)


def test_alignment_of_the_same_words_is_their_classes():
    assert align(tagged((0, 3, 5), (4, 7, 11)), [(0, 3, True), (4, 7, True)]) == [5, 11]


def test_alignment_every_subword_has_the_class_of_its_word():
    assert align(tagged((0, 9, 7)), [(0, 2, True), (2, 5, False), (5, 9, False)]) == [7, 7, 7]


def test_alignment_the_largest_overlap_wins():
    words = tagged((0, 2, 1), (2, 7, 2), (7, 9, 3))  # do|n't.. within one tokenizer word
    assert align(words, [(0, 9, True)]) == [2]


def test_alignment_a_tie_goes_to_the_earlier_word():
    words = tagged((0, 1, 9), (1, 4, 1), (4, 7, 2))
    assert align(words, [(0, 7, True)]) == [1]


def test_alignment_one_tagger_word_may_cover_several_tokenizer_words():
    assert align(tagged((0, 5, 4)), [(0, 2, True), (2, 3, True), (3, 5, True)]) == [4, 4, 4]


def test_alignment_without_overlap_there_is_no_class():
    words = tagged((2, 4, 1))
    tokens = [(0, 2, True), (2, 2, True), (3, 3, True), (4, 6, True), (2, 3, True)]
    assert align(words, tokens) == [NO_CLASS, NO_CLASS, NO_CLASS, NO_CLASS, 1]


def test_alignment_the_first_token_begins_a_word_whatever_it_says():
    assert align(tagged((0, 1, 3)), [(0, 1, False), (1, 2, True)]) == [3, NO_CLASS]


def test_alignment_of_nothing():
    assert align(tagged(), []) == []
    assert align(tagged((0, 3, 1)), []) == []
    assert align(tagged(), [(0, 3, True)]) == [NO_CLASS]


@given(words=tagger_words(), some_tokens=tokens())
def test_own_classes_are_those_of_a_slow_reference(words, some_tokens):
    """Each token as a word of its own; one without class as the next of its word."""
    alone = slow_align(words, [(start, end, True) for start, end, _ in some_tokens])
    expected = list(alone)
    for place in reversed(range(len(alone) - 1)):
        if expected[place] == NO_CLASS and not some_tokens[place + 1][2]:
            expected[place] = expected[place + 1]
    assert own(words, some_tokens) == expected


def test_own_classes_of_tokens_beside_one_of_two_words():
    words = tagged((0, 2, 1), (2, 5, 2))  # ca|n't as c|an|'t
    assert own(words, [(0, 1, True), (1, 3, False), (3, 5, False)]) == [1, 1, 2]
    assert own(words, [(0, 0, True), (0, 1, False), (1, 5, False)]) == [1, 1, 2]
