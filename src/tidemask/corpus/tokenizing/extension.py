"""A tokenizer with more entries, for a kind of text that it cuts into many pieces.

Old entries keep their ids, and the new ones follow. They belong to the model of the tokenizer, not
to the tokens that are added before it, so that they are found as its others are: by the longest
match (WordPiece), by merges after all others (BPE), or by their probability (Unigram).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer, models

from tidemask.corpus.tokenizing.new_entries import (
    MAX_PIECES,
    NewEntry,
    listed_entries,
    useful_entries,
)
from tidemask.corpus.tokenizing.ordinary_text import plain_backend
from tidemask.corpus.tokenizing.text_batches import in_batches
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.tokenizing.word_starts import added_ids
from tidemask.errors import UserError
from tidemask.token_ids import num_ids

Texts = Callable[[], Iterable[str]]
"""Gives the same texts at each call."""

_MODELS = (models.WordPiece, models.BPE, models.Unigram)
_CANDIDATES = 4
"""Entries that are looked at for each that is wanted, where their use depends on the others."""
_LITTLE = 1e-3
"""By how much a new entry of a Unigram model is likelier than its pieces, at least; nats."""
_NEVER = -1e4
"""Score of a spelling that a Unigram model is not to find in text; nats."""


@dataclass(frozen=True)
class ExtendedTokenizer:
    """A tokenizer with more entries than one before.

    Attributes:
        tokenizer: the new one.
        num_added: its new entries.
        num_wanted: how many were asked for.
        num_words: words of the texts that it was made for.
        tokens_before: tokens of these texts with the old tokenizer.
        tokens_after: with the new one.
    """

    tokenizer: CorpusTokenizer
    num_added: int
    num_wanted: int
    num_words: int
    tokens_before: int
    tokens_after: int

    @property
    def note(self) -> str:
        """What a user should know of it, one sentence."""
        before, after = (
            tokens / max(1, self.num_words) for tokens in (self.tokens_before, self.tokens_after)
        )
        missing = self.num_wanted - self.num_added
        others = f" (of {self.num_wanted:,}: no others shorten the text)" if missing else ""
        added = "1 entry was" if self.num_added == 1 else f"{self.num_added:,} entries were"
        return (
            f"{added} added to the vocabulary{others}: a word of the "
            f"training text takes {after:.3f} tokens, and took {before:.3f} before."
        )


def extended(
    tokenizer: CorpusTokenizer, texts: Texts, wanted: int | Mapping[str, int], place: str
) -> ExtendedTokenizer:
    """A tokenizer with more entries; the one that is given is not changed.

    Args:
        tokenizer: of WordPiece, BPE or Unigram.
        texts: are read three or four times.
        wanted: how many entries to add, those that shorten the texts most, or at most as many as
            occur twice; or words that are to be one token each, with their lines.
        place: what the user called it, for messages.

    Raises:
        UserError: a tokenizer of another kind; a word that is none; nothing to add.
    """
    backend = tokenizer.tokenizer.backend_tokenizer
    if not isinstance(backend.model, _MODELS) or tokenizer.vocab_size > MAX_PIECES:
        raise UserError(
            f"vocabulary that cannot be extended: {place} has a model of the kind "
            f"{type(backend.model).__name__} with {tokenizer.vocab_size:,} entries. Expected "
            f"WordPiece, BPE or Unigram with at most {MAX_PIECES:,}. Leave extend_vocabulary out."
        )
    entries = _chosen(tokenizer, texts, wanted, place)
    if not entries:
        raise UserError(
            f"nothing to add to the vocabulary: extend_vocabulary with {place}. Expected words "
            "that its tokenizer cuts and that occur twice. Leave extend_vocabulary out."
        )
    after = _with_entries(tokenizer, entries, texts)
    num_words, tokens_before = _counts(tokenizer, texts())
    _, tokens_after = _counts(after, texts())
    num_wanted = wanted if isinstance(wanted, int) else len(entries)
    return ExtendedTokenizer(
        after, len(entries), num_wanted, num_words, tokens_before, tokens_after
    )


def _chosen(
    tokenizer: CorpusTokenizer, texts: Texts, wanted: int | Mapping[str, int], place: str
) -> list[NewEntry]:
    declared = tokenizer.declared_ids
    backend = plain_backend(tokenizer.tokenizer, declared)
    if not isinstance(wanted, int):
        return listed_entries(backend, wanted, place)
    left_out = {*tokenizer.special_ids, *declared, *added_ids(tokenizer.tokenizer)}
    number = wanted if isinstance(backend.model, models.BPE) else _CANDIDATES * wanted
    entries = useful_entries(backend, texts(), number, left_out)
    if isinstance(backend.model, models.BPE):  # the order is that of its merges
        return entries[:wanted]
    tried = _with_entries(tokenizer, entries, texts)
    uses, ids = _uses(tried, texts()), tried.tokenizer.get_vocab()
    gains = {entry: uses[ids[entry.spelling]] * (entry.size - 1) for entry in entries}
    useful = [entry for entry in entries if gains[entry]]
    return sorted(useful, key=lambda entry: -gains[entry])[:wanted]


def _with_entries(
    tokenizer: CorpusTokenizer, entries: Sequence[NewEntry], texts: Texts
) -> CorpusTokenizer:
    if not isinstance(tokenizer.tokenizer.backend_tokenizer.model, models.Unigram):
        return _built(tokenizer, entries, {})
    scores = _least_scores(tokenizer, entries)
    tried = _built(tokenizer, entries, scores)
    uses = _uses(tried, texts())
    total, ids = max(1, sum(uses.values())), tried.tokenizer.get_vocab()
    likely = {
        spelling: max(least, math.log(max(1, uses[ids[spelling]]) / total))
        for spelling, least in scores.items()
    }
    return _built(tokenizer, entries, likely)


def _least_scores(tokenizer: CorpusTokenizer, entries: Sequence[NewEntry]) -> dict[str, float]:
    """Scores with which a Unigram model prefers the entries to their pieces, a little."""
    model = tokenizer.tokenizer.backend_tokenizer.model
    known = dict(_content(tokenizer)["model"]["vocab"])
    lowest = min(known.values())
    return {
        entry.spelling: sum(
            known.get(token.value, lowest) for token in model.tokenize(entry.spelling)
        )
        + _LITTLE
        for entry in entries
    }


def _content(tokenizer: CorpusTokenizer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(plain_backend(tokenizer.tokenizer).to_str())
    return found


def _built(
    tokenizer: CorpusTokenizer, entries: Sequence[NewEntry], scores: Mapping[str, float]
) -> CorpusTokenizer:
    """The tokenizer with these entries in its model, after all others."""
    content = _content(tokenizer)
    model = content["model"]
    # Tokens that were added are part of the model from here on: as tokenizers reads a file, those
    # that are none have the ids after the model's, where the new entries are.
    ids = {token["content"]: token["id"] for token in content["added_tokens"]}
    first = num_ids(tokenizer.tokenizer.get_vocab())
    ids |= {entry.spelling: first + number for number, entry in enumerate(entries)}
    if model["type"] == "Unigram":
        known = {spelling for spelling, _ in model["vocab"]}
        more = sorted((i, spelling) for spelling, i in ids.items() if spelling not in known)
        model["vocab"] += [[spelling, scores.get(spelling, _NEVER)] for _, spelling in more]
    else:
        model["vocab"] |= ids
        model["merges"] = [*model.get("merges", ()), *(e.parts for e in entries if e.parts)]
        if model["type"] == "WordPiece":
            del model["merges"]
    return _in_place_of(tokenizer, Tokenizer.from_str(json.dumps(content, ensure_ascii=False)))


def _in_place_of(tokenizer: CorpusTokenizer, backend: Tokenizer) -> CorpusTokenizer:
    """A tokenizer with another backend, and the same special tokens."""
    from transformers import PreTrainedTokenizerFast

    before = tokenizer.tokenizer
    tokens = {token.content: token for token in before.added_tokens_decoder.values()}
    named = {
        name: tokens.get(token, token)
        for name, token in before.special_tokens_map.items()
        if isinstance(token, str)
    }
    return CorpusTokenizer(
        PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
            tokenizer_object=backend,
            **named,
            extra_special_tokens=[*getattr(before, "extra_special_tokens", ())],
            model_max_length=before.model_max_length,
            model_input_names=before.model_input_names,
            padding_side=before.padding_side,
            truncation_side=before.truncation_side,
        )
    )


def _uses(tokenizer: CorpusTokenizer, texts: Iterable[str]) -> Counter[int]:
    """How often each id stands in texts."""
    backend = plain_backend(tokenizer.tokenizer)
    uses: Counter[int] = Counter()
    for some in in_batches(texts):
        for encoding in backend.encode_batch(some, add_special_tokens=False):
            uses.update(encoding.ids)
    return uses


def _counts(tokenizer: CorpusTokenizer, texts: Iterable[str]) -> tuple[int, int]:
    """Words and tokens of texts."""
    encoder = tokenizer.encoder()
    num_words = num_tokens = 0
    for some in in_batches(texts):
        for encoded in encoder.encode(some):
            num_words += int(encoded.word_starts.sum())
            num_tokens += len(encoded.ids)
    return num_words, num_tokens
