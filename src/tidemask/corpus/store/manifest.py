"""The manifest of a prepared corpus: format, vocabulary, classes, counts, sources."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tidemask.corpus.sources.documents import SettingValue, TextSource
from tidemask.corpus.store.tag_accuracy import TagAccuracy
from tidemask.errors import UserError
from tidemask.reading import ANY_LENGTH, read_json

FORMAT_VERSION = 1
"""Version of the layout of a prepared corpus; a corpus of another version is not opened."""
_WHAT, _ADVICE = "corpus manifest", "Prepare the corpus again."


@dataclass(frozen=True, kw_only=True)
class SplitCounts:
    """How much one split holds.

    Attributes:
        num_documents: documents, without those that were dropped.
        num_sequences: rows.
        num_tokens: tokens of text, neither special nor padding.
        num_words: words by the corpus's own rule; one that rows cut counts once.
        class_counts: tokens by the name of their class; absent classes count 0.
        num_unknown: tokens of text that are the unknown one; `None` where it was not counted, by
            earlier versions and for a tokenizer without such a token.
        num_special: tokens of text that are never masked: the unknown one, and special tokens that
            the tokenizer finds in text, such as "[ANON]"; `None` in corpora of earlier versions.
    """

    num_documents: int
    num_sequences: int
    num_tokens: int
    num_words: int
    class_counts: dict[str, int]
    num_unknown: int | None = None
    num_special: int | None = None

    @property
    def unknown_share(self) -> float:
        """Share of the tokens that are unknown, in [0, 1]; NaN where it was not counted."""
        if self.num_unknown is None or not self.num_tokens:
            return math.nan
        return self.num_unknown / self.num_tokens

    @property
    def maskable_per_row(self) -> float:
        """Mean number of tokens of a row that can be masked.

        Of corpora of earlier versions, the unknown tokens are left out and no other special ones,
        so that their runs go on with the batches that they began with.
        """
        special = (self.num_unknown or 0) if self.num_special is None else self.num_special
        return (self.num_tokens - special) / max(1, self.num_sequences)

    def __post_init__(self) -> None:
        counts = {name: count for name, count in vars(self).items() if name != "class_counts"}
        for name, count in {**counts, **self.class_counts}.items():
            if count is not None and count < 0:
                raise ValueError(f"{name}={count}. Expected 0 or more")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of `manifest.json`.

    Attributes:
        format_version: `FORMAT_VERSION` of the code that wrote it.
        sequence_length: tokens of a row.
        vocab_size: one more than the largest id.
        tokenizer_fingerprint: SHA-256 of the tokenizer's backend.
        tagger: name of the tagger, "none" for a corpus without classes.
        tagger_fingerprint: names the tagger's behaviour; empty for "none".
        class_names: class names by index; empty for "none".
        train: counts of the training split.
        held_out: counts of the held-out split.
        num_duplicates_dropped: documents left out as copies of others, exact or near.
        sources: the files that the text came from.
        fingerprint: SHA-256 over the rows and what gives them their meaning (format, length,
            tokenizer, its special tokens, tagger's behaviour, classes); not over paths or the
            number of workers. That of earlier versions did not cover the special tokens.
        notes: what was unusual in its preparation, one sentence each.
        special_ids: the ids of the tokenizer's special tokens, by their names, as
            `CorpusTokenizer.named_special_ids`; `None` in corpora of earlier versions.
        words: where words come from: "tagger", "unicode", "whitespace" or "tokenizer", as which
            all earlier corpora were made.
        tag_accuracy: of the tagger on gold tags, if that was asked for.
        settings: every setting of its preparation but the number of workers, by name, with what
            separates documents as it was found out; `None` in corpora of earlier versions.
        drops: documents left out, by reason; `None` in corpora of earlier versions.
        tidemask_version: the version that made it; empty in corpora of earlier versions.
    """

    format_version: int
    sequence_length: int
    vocab_size: int
    tokenizer_fingerprint: str
    tagger: str
    tagger_fingerprint: str
    class_names: tuple[str, ...]
    train: SplitCounts
    held_out: SplitCounts
    num_duplicates_dropped: int
    sources: tuple[TextSource, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()
    special_ids: dict[str, list[int]] | None = None
    words: str = "tokenizer"
    tag_accuracy: TagAccuracy | None = None
    settings: dict[str, SettingValue] | None = None
    drops: dict[str, int] | None = None
    tidemask_version: str = ""

    def __post_init__(self) -> None:
        for name in ("sequence_length", "vocab_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}. Expected 1 or more")

    def with_fingerprint(self, *row_hashes: str) -> Manifest:
        """The same, with the fingerprint of these rows."""
        return replace(self, fingerprint=self._digest(row_hashes, self.special_ids))

    def is_of(self, *row_hashes: str) -> bool:
        """Whether the fingerprint is that of these rows, as this or an earlier version takes it."""
        known = (self._digest(row_hashes, special) for special in (self.special_ids, None))
        return self.fingerprint in known

    def _digest(self, row_hashes: Sequence[str], special_ids: dict[str, list[int]] | None) -> str:
        meaning: list[object] = [
            self.format_version,
            self.sequence_length,
            self.vocab_size,
            self.tokenizer_fingerprint,
            self.tagger_fingerprint,
            self.class_names,
            row_hashes,
        ]
        if special_ids is not None:
            meaning.append(sorted(special_ids.items()))
        return hashlib.sha256(json.dumps(meaning).encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", "utf-8")


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file.

    Raises:
        UserError: there is no such file, it is damaged, or of another format version.
    """
    root = path.parent
    if not path.is_file():
        raise UserError(
            f"not a prepared corpus: {root} has no {path.name}. Expected a directory made by "
            "`tidemask prepare`. Prepare the text first."
        )
    version = read_json(
        path, _Version, what=_WHAT, advice=_ADVICE, max_bytes=ANY_LENGTH
    ).format_version
    if version != FORMAT_VERSION:
        raise UserError(
            f"prepared corpus of another format: {root}, format_version={version}. "
            f"Expected {FORMAT_VERSION}. Prepare it again with this version of tidemask."
        )
    return read_json(path, Manifest, what=_WHAT, advice=_ADVICE, max_bytes=ANY_LENGTH)


@dataclass(frozen=True)
class _Version:
    """What every version of the file has."""

    format_version: int
