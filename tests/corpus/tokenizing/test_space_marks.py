"""The law of offsets: a token's spelling, less its mark of a space, is the text that it claims."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from places import SHARED_DATA
from tidemask import word_starts_of
from tidemask.corpus.tokenizing.space_marks import marks_of_space, space_within
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer, EncodedText
from tidemask.corpus.words.boundaries import unicode_words
from tokenizer_kinds import KINDS, backend_of, tokenizer_of

MARKS = {"wordpiece": "", "byte-level": "Ġ", "robbert": "Ġ"} | dict.fromkeys(
    ("unigram", "gemma", "llama"), "▁"
)
TEXTS = st.one_of(
    st.text(alphabet="abTh éñ.,'-Ii语🙂\n", max_size=30),
    st.lists(st.sampled_from("I a Delft é 🙂 the lantern's river. , x  ".split(" "))).map(" ".join),
)
each_kind = pytest.mark.parametrize("kind", KINDS)


@cache
def _tokenizer(kind: str) -> Any:
    return tokenizer_of(kind)


def _bytes_of_letters() -> dict[str, int]:
    """The byte that each letter of a byte-level vocabulary stands for, from GPT-2's definition."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(256 + number): byte for number, byte in enumerate(others)
    }


def _spelled(kind: str, token: str) -> bytes:
    """What a token spells, less its marks of a space."""
    token = token.removeprefix("##") if kind == "wordpiece" else token
    if MARKS[kind] != "Ġ":
        return token.replace("▁", "").encode() if MARKS[kind] else token.encode()
    letters = _bytes_of_letters()
    return bytes(letters[letter] for letter in token).strip(b" ")


def _check_claims(kind: str, tokenizer: Any, text: str, encoded: EncodedText) -> None:
    tokens = tokenizer.convert_ids_to_tokens(encoded.ids.tolist())
    claimed: set[int] = set()
    for token, begin, end in zip(tokens, encoded.starts, encoded.ends, strict=True):
        claimed |= set(range(begin, end))
        if token == "<unk>":
            continue
        found, spelled = text[begin:end].strip().encode(), _spelled(kind, token).strip()
        # A piece of a character that has several bytes claims the whole of it.
        assert spelled == found or (spelled and spelled in found), (token, text[begin:end])
    visible = {place for place, character in enumerate(text) if not character.isspace()}
    assert visible <= claimed, "letters that no token claims"
    assert (encoded.starts[1:] >= encoded.starts[:-1]).all()


@each_kind
@given(text=TEXTS)
def test_space_marks_tokens_claim_what_they_spell(kind: str, text: str) -> None:
    (encoded,) = CorpusTokenizer(_tokenizer(kind)).encoder().encode([text])
    _check_claims(kind, _tokenizer(kind), text, encoded)


@each_kind
@given(text=TEXTS)
def test_space_marks_words_begin_where_the_text_has_them(kind: str, text: str) -> None:
    """After white space, and never between two letters, whoever's the words are.

    `word_starts_of` finds those of Unicode.
    """
    tokenizer = _tokenizer(kind)
    (of_tokenizer,) = CorpusTokenizer(tokenizer).encoder().encode([text])
    _check_words(text, of_tokenizer)
    (encoded,) = CorpusTokenizer(tokenizer).encoder().encode([text], [unicode_words(text)])
    _check_words(text, encoded)
    [column] = word_starts_of(tokenizer(text, add_special_tokens=False), text)
    assert column.tolist() == encoded.word_starts.tolist()


def _check_words(text: str, encoded: EncodedText) -> None:
    # The white space before a word is its own; one unknown token may be several words.
    places = [len(text) - len(text[start:].lstrip()) for start in encoded.starts.tolist()]
    begun = {place for place, is_start in zip(places, encoded.word_starts, strict=True) if is_start}
    after_space = {
        place for place in places if place < len(text) and text[max(0, place - 1)].isspace()
    }
    assert after_space <= begun
    for place in begun - after_space - {0, len(text)}:
        around = text[place - 1 : place + 1]
        assert not around.isalnum() or "语" in around, around  # BERT cuts at such characters


def test_space_marks_of_a_published_form_claim_whole_words() -> None:
    """RobBERT's own form, with 3,000 entries; each word of the text is what its tokens claim."""
    path = SHARED_DATA.parent / "cases" / "robbert_like_tokenizer.json"
    if not path.is_file():
        pytest.skip("no shared cases beside the checkout")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_file(str(path)))
    text = "They went to Delft and I saw Utrecht by train in May."
    (encoded,) = CorpusTokenizer(tokenizer).encoder().encode([text])
    _check_claims("robbert", tokenizer, text, encoded)
    begins = [*encoded.starts[encoded.word_starts].tolist(), len(text)]
    words = [text[a:b].strip() for a, b in pairwise(begins)]
    assert words == [*text[:-1].split(), "."]


@each_kind
def test_space_marks_are_asked_of_the_tokenizer(kind: str) -> None:
    assert marks_of_space(backend_of(kind)) == frozenset(MARKS[kind])
    assert space_within(backend_of(kind)) == (" " if kind in ("byte-level", "gemma") else "")


@pytest.mark.parametrize("mark", "_ġ")
def test_space_marks_may_be_any_character(mark: str) -> None:
    """Where it is written does not matter: by a normaliser, or by a pre-tokenizer."""
    backend = backend_of("wordpiece")
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement=mark)
    assert marks_of_space(backend) == {mark}
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend(mark), normalizers.Replace(" ", mark)]
    )
    assert marks_of_space(backend) == {mark}
    backend.normalizer = normalizers.Lowercase()
    assert marks_of_space(backend) == frozenset()
