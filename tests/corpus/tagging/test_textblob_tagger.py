"""The embedded tagger: offsets as a property, classes against a treebank and against find_tags."""

from __future__ import annotations

import lzma
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from places import SHARED_DATA
from tidemask.corpus.tagging.taggers import load_tagger
from tidemask.corpus.tagging.textblob_tagger import TextBlobTagger
from tidemask.corpus.tagging.upos_rules import PENN_KIND
from tidemask.corpus.tagging.words import TaggedWords
from tidemask.token_classes import CONTENT_UPOS, UPOS

TREEBANKS = SHARED_DATA / "pos"

ORDINARY_TEXT = st.lists(
    st.sampled_from(
        [
            *"abcXYZ019 .,;:!?'’\"“”()[]-–—_/@#%&*+=\n\t\u00a0é\u0301ßжあ😀",
            "n't",
            "'s",
            "Mr.",
            "U.S.",
        ]
    )
).map("".join)


@pytest.fixture(scope="module")
def tagger() -> TextBlobTagger:
    loaded = load_tagger("textblob")
    assert isinstance(loaded, TextBlobTagger)
    return loaded


def words_and_tags(text: str, tagged: TaggedWords) -> list[tuple[str, str]]:
    bounds = zip(tagged.starts.tolist(), tagged.ends.tolist(), strict=True)
    return [
        (text[start:end], UPOS[index])
        for (start, end), index in zip(bounds, tagged.classes, strict=True)
    ]


def tags(tagger: TextBlobTagger, text: str) -> str:
    return " ".join(tag for _, tag in words_and_tags(text, tagger.tag([text])[0]))


SHARED = TextBlobTagger()
"""For the properties: hypothesis allows no fixture of a narrower scope, and none is needed."""


@given(text=st.one_of(ORDINARY_TEXT, st.text()))
@pytest.mark.slow
def test_words_ascend_inside_the_text_and_cover_all_but_white_space(text: str) -> None:
    tagged = SHARED.tag([text])[0]
    starts, ends = tagged.starts, tagged.ends
    assert (starts.dtype, ends.dtype, tagged.classes.dtype) == (np.int32, np.int32, np.uint8)
    assert len(starts) == len(ends) == len(tagged.classes)
    assert (starts < ends).all()
    assert (ends[:-1] <= starts[1:]).all()
    assert (tagged.classes < len(UPOS)).all()
    covered = {
        offset for start, end in zip(starts, ends, strict=True) for offset in range(start, end)
    }
    assert covered == {offset for offset, sign in enumerate(text) if not sign.isspace()}


@given(texts=st.lists(ORDINARY_TEXT, max_size=5))
def test_a_text_is_tagged_alike_alone_and_among_others(texts: list[str]) -> None:
    together = SHARED.tag(texts)
    for text, tagged in zip(texts, together, strict=True):
        assert words_and_tags(text, tagged) == words_and_tags(text, SHARED.tag([text])[0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("She doesn't know.", "She does n't know ."),
        ("It’s ours, isn’t it?", "It ’s ours , is n’t it ?"),
        ("We'll see; they've gone at 10:30.", "We 'll see ; they 've gone at 10:30 ."),
        ("Mr. Brown's dog cost 1,000.50 dollars...", "Mr. Brown 's dog cost 1,000.50 dollars ..."),
        ("the U.S. way, e.g. at one o'clock", "the U.S. way , e.g. at one o'clock"),
        ("J. Smith, I. So it ended.", "J. Smith , I . So it ended ."),
        ("well-known (see www.example.org/a?b=1)", "well - known ( see www.example.org/a?b=1 )"),
        ("CAN'T stop -- won't!!", "CA N'T stop -- wo n't !!"),
        ("cafe\u0301s", "cafe\u0301s"),
        ("", ""),
        (" \n\t ", ""),
    ],
)
def test_words_are_cut_in_the_penn_way(tagger: TextBlobTagger, text: str, words: str) -> None:
    assert [word for word, _ in words_and_tags(text, tagger.tag([text])[0])] == words.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The old man saw three boats.", "DET ADJ NOUN VERB NUM NOUN PUNCT"),
        ("I have seen it.", "PRON AUX VERB PRON PUNCT"),
        ("I have a dog.", "PRON VERB DET NOUN PUNCT"),
        ("We want to work.", "PRON VERB PART VERB PUNCT"),
        ("She went to London.", "PRON VERB ADP PROPN PUNCT"),
        ("They said that he left.", "PRON VERB SCONJ PRON VERB PUNCT"),
        ("Mary's cat isn't hers.", "PROPN PART NOUN AUX PART PRON PUNCT"),
        ("It's raining.", "PRON AUX VERB PUNCT"),
        ("This is mine.", "PRON AUX PRON PUNCT"),
        ("This house fell.", "DET NOUN VERB PUNCT"),
        ("If you can, call and ask!", "SCONJ PRON AUX PUNCT VERB CCONJ VERB PUNCT"),
        ("It costs $ 5.", "PRON VERB SYM NUM PUNCT"),
    ],
)
def test_sentences_get_universal_tags(tagger: TextBlobTagger, text: str, expected: str) -> None:
    assert tags(tagger, text) == expected


def test_open_class_words_keep_the_tags_of_find_tags(tagger: TextBlobTagger) -> None:
    text = "Yesterday Brazil quietly celebrated nineteen wonderful victories overseas"
    sentence = text.split()
    from textblob.en import parser

    expected = [PENN_KIND[tag] for _, tag in parser.find_tags(sentence)]
    universal = {"past": "VERB", "noun": "NOUN", "plural": "NOUN"}
    got = [UPOS[index] for index in tagger.classes([sentence])[0]]
    assert got[1:] == [universal.get(kind, kind) for kind in expected][1:]


@pytest.mark.parametrize("before", ["", "It ended. ", '"Stop!" ("', "Why? - "])
def test_the_first_word_of_a_sentence_is_read_in_lower_case(
    tagger: TextBlobTagger, before: str
) -> None:
    assert tags(tagger, f"{before}Advise her.").endswith("VERB PRON PUNCT")


def test_a_capital_within_a_sentence_tells_a_name(tagger: TextBlobTagger) -> None:
    assert tags(tagger, "Then old Advise left.") == "ADV ADJ PROPN VERB PUNCT"


def test_loading_and_tagging_raise_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TextBlobTagger().tag(["No file is left open."])


def test_fingerprint_is_the_same_for_two_taggers(tagger: TextBlobTagger) -> None:
    assert TextBlobTagger().fingerprint == tagger.fingerprint
    assert "lexicon" in tagger.fingerprint


def treebank(name: str, num_sentences: int) -> Iterator[list[tuple[str, str]]]:
    path = TREEBANKS / name
    if not path.is_file():
        pytest.skip(f"no treebank at {path}")
    with lzma.open(path, "rt", encoding="utf-8") as file:
        sentences = file.read().strip().split("\n\n")
    for sentence in sentences[:num_sentences]:
        columns = [line.split("\t") for line in sentence.split("\n") if line[0] != "#"]
        yield [(column[1], column[3]) for column in columns if column[0].isdigit()]


@pytest.mark.parametrize(
    ("name", "floor"), [("en_ewt-ud-test.conllu.xz", 0.90), ("en_gum-ud-test.conllu.xz", 0.93)]
)
def test_accuracy_on_gold_words_of_a_treebank(
    tagger: TextBlobTagger, name: str, floor: float
) -> None:
    sentences = list(treebank(name, 2_100))
    tagged = tagger.classes([[word for word, _ in sentence] for sentence in sentences])
    gold = [tag for sentence in sentences for _, tag in sentence]
    got = [UPOS[index] for classes in tagged for index in classes]
    same = np.mean([a == b for a, b in zip(gold, got, strict=True)])
    same_content = np.mean(
        [(a in CONTENT_UPOS) == (b in CONTENT_UPOS) for a, b in zip(gold, got, strict=True)]
    )
    assert same > floor
    assert same_content > 0.98
