"""Vocabularies with more entries: old ids stay, the text becomes shorter, as the kind does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from cases import all_cases
from prose import text
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.store.corpus import open_corpus
from tidemask.corpus.tokenizing.extension import ExtendedTokenizer, extended
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.errors import UserError
from tokenizer_kinds import KINDS, tokenizer_of

TEXTS = (
    *["The hydroponic grafts held, and the hydroponic lanterns burn.", "Two grafts held."] * 5,
    *text(2).splitlines(),
)


@cache
def tokenizer(kind: str) -> CorpusTokenizer:
    made = tokenizer_of(kind, template=("<s> $A </s>", "<s> $A </s> $B </s>"))
    made.add_tokens(["harbour"])
    made.add_special_tokens({"additional_special_tokens": ["[ANON]"]})
    return CorpusTokenizer(made)


@cache
def extension(kind: str, *wanted: int | str) -> ExtendedTokenizer:
    words = {str(word): line for line, word in enumerate(wanted, 1)}
    asked: Any = wanted[0] if isinstance(wanted[0], int) else words
    return extended(tokenizer(kind), lambda: TEXTS, asked, "here")


def tokens_of(made: CorpusTokenizer, written: str) -> list[str]:
    (encoded,) = made.encoder().encode([written])
    found: list[str] = made.tokenizer.convert_ids_to_tokens(encoded.ids.tolist())
    return found


@pytest.mark.slow
@all_cases("kind", KINDS)
def test_extension_keeps_old_ids_and_shortens_the_text(kind: str) -> None:
    found = extension(kind, 30)
    old, new = (t.tokenizer.get_vocab() for t in (tokenizer(kind), found.tokenizer))
    assert {entry: new[entry] for entry in old} == old
    added = sorted(new[entry] for entry in new.keys() - old.keys())
    assert added == list(range(max(old.values()) + 1, max(old.values()) + 1 + found.num_added))
    assert 0 < found.num_added <= 30
    lengths = [
        sum(len(tokens_of(made, line)) for line in TEXTS)
        for made in (tokenizer(kind), found.tokenizer)
    ]
    assert lengths == [found.tokens_before, found.tokens_after]
    assert lengths[1] < lengths[0]
    assert f"{found.tokens_after / found.num_words:.3f} tokens, and took" in found.note
    before = tokenizer(kind).named_special_ids
    assert found.tokenizer.named_special_ids == before
    assert found.tokenizer.frame == tokenizer(kind).frame


@all_cases("kind", KINDS)
def test_extension_is_saved_whole(kind: str, tmp_path: Path) -> None:
    made = extension(kind, 30).tokenizer
    made.save(tmp_path / kind)
    again = load_tokenizer(tmp_path / kind)
    assert again.fingerprint == made.fingerprint
    assert again.tokenizer.get_vocab() == made.tokenizer.get_vocab()
    assert "[ANON]" in tokens_of(again, "a harbour of [ANON] and <mask>")
    assert tokens_of(again, "a harbour")[-1].strip("▁") == "harbour"


@all_cases("kind", [kind for kind in KINDS if kind not in ("unigram", "gemma", "llama")])
def test_extension_by_listed_words_makes_each_one_token(kind: str) -> None:
    words = ["hydroponic", "grafts", "lanterns"]
    made = extension(kind, *words).tokenizer
    for word in words:
        spelled = [token.strip("Ġ▁") for token in tokens_of(made, f"the {word} held")]
        assert spelled[1:-1].count(word) == 1, spelled


def test_extension_of_unigram_by_listed_words() -> None:
    made = extension("unigram", "grafts", "lanterns").tokenizer
    assert tokens_of(made, "the grafts held")[1] == "▁grafts"
    assert "▁lanterns" in tokens_of(made, "two lanterns")


def test_extension_of_bpe_goes_on_with_its_training() -> None:
    """Each new entry is a pair that is most frequent within the words at its turn."""
    backend = tokenizer("byte-level").tokenizer.backend_tokenizer
    words: Counter[tuple[str, ...]] = Counter()
    for line in TEXTS:
        encoding = backend.encode(line, add_special_tokens=False)
        by_word: dict[int, list[str]] = {}
        for token, word in zip(encoding.tokens, encoding.word_ids, strict=True):
            by_word.setdefault(word, []).append(token)
        words.update(map(tuple, by_word.values()))
    old = tokenizer("byte-level").tokenizer.get_vocab()
    new = extension("byte-level", 30).tokenizer.tokenizer.get_vocab()
    for entry in sorted(new.keys() - old.keys(), key=new.__getitem__):
        pairs: Counter[tuple[str, str]] = Counter()
        for pieces, number in words.items():
            for pair in pairwise(pieces):
                pairs[pair] += number
        most = max(pairs.values())
        best = [pair for pair, number in pairs.items() if number == most]
        (pair,) = [pair for pair in best if "".join(pair) == entry][:1]
        words = Counter({merged(pieces, pair): number for pieces, number in words.items()})
    after = extension("byte-level", 30).tokenizer.tokenizer.backend_tokenizer
    for pieces in words.keys() - {("harbour",)}:  # which is no part of the model
        assert tuple(token.value for token in after.model.tokenize("".join(pieces))) == pieces


def merged(pieces: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    result: list[str] = []
    for piece in pieces:
        if result and (result[-1], piece) == pair:
            result[-1] += piece
        else:
            result.append(piece)
    return tuple(result)


def test_extension_of_wordpiece_takes_what_shortens_most() -> None:
    """Each new entry is used, and the uses times the pieces that are saved fall."""
    made = extension("wordpiece", 12).tokenizer
    old = tokenizer("wordpiece").tokenizer.backend_tokenizer
    uses = Counter(token for line in TEXTS for token in tokens_of(made, line))
    entries = made.tokenizer.get_vocab().keys() - tokenizer("wordpiece").tokenizer.get_vocab()
    assert all(uses[entry] for entry in entries)
    word = max(
        {word for line in TEXTS for word in line.replace(",", "").replace(".", "").split()},
        key=lambda w: (len(old.model.tokenize(w)) - 1) * sum(w in line for line in TEXTS),
    )
    assert tokens_of(made, word) == [word]


# --- what is refused


def test_extension_refuses_what_it_cannot_do() -> None:
    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "[PAD]": 2}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    flat = CorpusTokenizer(
        PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]")
    )
    with pytest.raises(UserError, match="cannot be extended: here has a model of the kind WordLe"):
        extended(flat, lambda: ["a"], 3, "here")
    with pytest.raises(UserError, match="nothing to add to the vocabulary"):
        extended(tokenizer("byte-level"), lambda: ["a"], 3, "here")
    with pytest.raises(UserError, match="not one word: here, line 7: 'two words', which"):
        extended(tokenizer("wordpiece"), lambda: ["a"], {"one": 2, "two words": 7}, "here")
    with pytest.raises(UserError, match="unknown letters: here, line 1: 'дом'"):
        extended(tokenizer("gemma"), lambda: ["a"], {"дом": 1}, "here")


@all_cases(
    ("settings", "message"),
    [
        ({"extend_vocabulary": 3}, "extend_vocabulary=3 without a tokenizer"),
        ({"extend_vocabulary": 0, "tokenizer": "x"}, "extend_vocabulary=0. Expected"),
        ({"extend_vocabulary": True, "tokenizer": "x"}, "extend_vocabulary=True. Expected"),
    ],
)
def test_extension_refuses_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        PrepareSettings(**settings)


# --- the whole way


@pytest.mark.slow
def test_extension_of_a_prepared_corpus(
    tmp_path: Path, tidemask: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "text.txt").write_text("\n\n".join(dict.fromkeys(TEXTS)))
    tokenizer("wordpiece").save(tmp_path / "tokenizer")
    (tmp_path / "words.txt").write_text("hydroponic\n\ngrafts\nhydroponic\n")

    def run(out: str, wanted: object) -> tuple[int, str, str]:
        return tidemask(
            "prepare", tmp_path / "text.txt", "--out", tmp_path / out, "--tagger", "none",
            "--tokenizer", tmp_path / "tokenizer", "--extend-vocabulary", wanted,
            "--workers", 1, "--sequence-length", 32,
        )  # fmt: skip

    for out, wanted, added in (("number", 7, 7), ("list", tmp_path / "words.txt", 2)):
        status, _, errors = run(out, wanted)
        assert status == 0, errors
        manifest = open_corpus(tmp_path / out).manifest
        assert any(f"{added} entries were added" in note for note in manifest.notes)
        assert manifest.vocab_size == tokenizer("wordpiece").vocab_size + added
    status, _, errors = run("absent", tmp_path / "nothing.txt")
    assert status == 2
    assert errors.strip().endswith(f"no such file: {tmp_path / 'nothing.txt'}.")
    (tmp_path / "empty.txt").write_text("\n")
    assert "Expected 1 to 1,048,576, one a line." in run("empty", tmp_path / "empty.txt")[2]
    (tmp_path / "bad.txt").write_text("grafts\n\ngrafts\n\ntwo words\n")
    bad = run("bad", tmp_path / "bad.txt")[2]
    assert f"by {tmp_path / 'bad.txt'}, line 5: 'two words', which" in " ".join(bad.split())


def test_extension_by_a_missing_file_is_refused_before_text_is_read(
    tmp_path: Path, tidemask: Callable[..., tuple[int, str, str]]
) -> None:
    """The text is damaged, which is noticed where it is read."""
    (tmp_path / "text.txt").write_bytes(b"one\xff\n")
    tokenizer("wordpiece").save(tmp_path / "tokenizer")
    missing = tmp_path / "nothing.txt"
    status, _, errors = tidemask(
        "prepare", tmp_path / "text.txt", "--out", tmp_path / "out", "--tokenizer",
        tmp_path / "tokenizer", "--extend-vocabulary", missing,
    )  # fmt: skip
    assert (status, errors.strip().endswith(f"no such file: {missing}.")) == (2, True)
