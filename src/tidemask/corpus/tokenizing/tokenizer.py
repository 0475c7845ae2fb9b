"""Tokenizers: load one, save it; and texts to ids, character offsets and word starts.

The only part of the corpus that knows `transformers`, which is imported where it is needed: worker
processes encode with `tokenizers` alone. Training is in `wordpiece.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from tidemask.corpus.tokenizing.frame import Frame
from tidemask.corpus.tokenizing.ordinary_text import ReservedIds
from tidemask.corpus.tokenizing.space_marks import claimed_spans, mark_table
from tidemask.corpus.tokenizing.word_starts import find_word_starts
from tidemask.errors import UserError, one_line
from tidemask.hub import local_directory
from tidemask.reading import MAX_TOKENIZER_BYTES, read_json
from tidemask.settings import shown
from tidemask.system_errors import raise_out_of_memory

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ADVICE = "Restore the file, or use another tokenizer."


_NAMES = ("mask", "pad", "unk", "cls", "sep", "bos", "eos")
"""What transformers calls special tokens, each followed by `_token` in `tokenizer_config.json`."""

MAX_VOCAB_SIZE = 1 << 22
"""Entries of a tokenizer; four times as many as the largest that was published for an encoder."""


@dataclass(frozen=True)
class EncodedText:
    """The tokens of one text, without special tokens.

    Attributes:
        ids: vocabulary ids, shape [N].
        starts: offset of each token's first character, as Python indexes `str`, shape [N].
        ends: offset after each token's last character, shape [N].
        word_starts: whether each token is its word's first, shape [N].
    """

    ids: NDArray[np.uint32]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    word_starts: NDArray[np.bool_]


@dataclass(frozen=True)
class PlainTextEncoder:
    """Encodes texts without special tokens; cheap to pickle for another process.

    Attributes:
        serialised: the `tokenizers` backend as JSON.
        reserved: ids that text never has.
    """

    serialised: str
    reserved: ReservedIds

    def encode(self, texts: Sequence[str]) -> list[EncodedText]:
        """The tokens of each text; what a text becomes does not depend on the others.

        Raises:
            UserError: the tokenizer has no unknown token for letters that spell a special one.
        """
        backend, marks = _backend(self.serialised)
        encodings = backend.encode_batch(list(texts), add_special_tokens=False)
        return [self._as_arrays(*pair, marks) for pair in zip(texts, encodings, strict=True)]

    def _as_arrays(self, text: str, encoding: Encoding, marks: NDArray[np.uint8]) -> EncodedText:
        ids = self.reserved.text_ids(encoding)
        pairs = np.fromiter(chain.from_iterable(encoding.offsets), np.int32, 2 * len(ids))
        starts, ends = claimed_spans(text, pairs[::2].copy(), pairs[1::2].copy(), marks[ids])
        word_ids = np.array([-1 if word is None else word for word in encoding.word_ids], np.int32)
        return EncodedText(ids, starts, ends, find_word_starts(text, starts, ends, word_ids))


@lru_cache(maxsize=1)
def _backend(serialised: str) -> tuple[Tokenizer, NDArray[np.uint8]]:
    """The backend in use in this process, and its tokens' marks of a space.

    Reading its JSON takes longer than a small batch.
    """
    backend = Tokenizer.from_str(serialised)
    backend.encode_special_tokens = True
    return backend, mark_table(backend)


@dataclass(frozen=True)
class CorpusTokenizer:
    """A fast tokenizer with mask and pad token, as preparation uses it."""

    tokenizer: PreTrainedTokenizerBase

    @property
    def vocab_size(self) -> int:
        """One more than the largest id, added tokens included."""
        return max(self.tokenizer.get_vocab().values()) + 1

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the serialised backend, hexadecimal; it names the ids that a text gets.

        It does not know which of them are special: that is `named_special_ids`.
        """
        return hashlib.sha256(self._serialised().encode()).hexdigest()

    @property
    def named_special_ids(self) -> dict[str, list[int]]:
        """The ids of each special token by its name, such as `mask_token`, and of all together."""
        ids = {f"{name}_token": getattr(self.tokenizer, f"{name}_token_id") for name in _NAMES}
        named = {name: [int(token_id)] for name, token_id in ids.items() if token_id is not None}
        return {**named, "special tokens": self.special_ids}

    @property
    def pad_id(self) -> int:
        """Id of the padding token."""
        return int(self.tokenizer.pad_token_id)

    @cached_property
    def frame(self) -> Frame:
        """The special tokens around a text."""
        return Frame.of(self.tokenizer)

    @property
    def begin_id(self) -> int | None:
        """Id that begins a row; `None` if none does.

        Raises:
            UserError: several ids stand before a text.
        """
        return _only(self.frame.before, "before")

    @property
    def end_id(self) -> int | None:
        """Id that ends a row; `None` if none does.

        Raises:
            UserError: several ids stand after a text.
        """
        return _only(self.frame.after, "after")

    @property
    def separator_id(self) -> int | None:
        """Id that, after a row's first position, stands only where a document ends.

        `None` if no id ends documents, or if it is the unknown one too, which text may have.
        """
        end = self.frame.document_end
        return None if end == self.tokenizer.unk_token_id else end

    @property
    def special_ids(self) -> list[int]:
        """Ids that are never text: the named special tokens, and all of the frame."""
        return sorted({*self.tokenizer.all_special_ids, *self.frame.ids})

    def encoder(self) -> PlainTextEncoder:
        """What turns texts into tokens, here or in another process."""
        reserved = ReservedIds.of(self.tokenizer, self.frame.ids)
        return PlainTextEncoder(self._serialised(), reserved)

    def save(self, directory: Path) -> None:
        """Write it so that `AutoTokenizer.from_pretrained(directory)` gives it again."""
        self.tokenizer.save_pretrained(str(directory))

    def _serialised(self) -> str:
        """The backend as JSON, without truncation and padding, which its use leaves set."""
        backend = Tokenizer.from_str(self.tokenizer.backend_tokenizer.to_str())
        backend.no_truncation()
        backend.no_padding()
        return str(backend.to_str())


def _only(ids: tuple[int, ...], where: str) -> int | None:
    if len(ids) > 1:
        raise UserError(
            f"several special tokens {where} a text: the tokenizer puts the ids "
            f"{', '.join(map(str, ids))} there. Expected one at most at each end of a row. Change "
            "the post_processor of its tokenizer.json."
        )
    return ids[0] if ids else None


def load_tokenizer(name: str | Path) -> CorpusTokenizer:
    """The tokenizer in a local directory, which a `Path` always is, or of a model on the hub.

    Raises:
        UserError: there is none, it is not a fast one, or it has no mask or no pad token.
    """
    tokenizer = _load(name)
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(
            f"not a fast tokenizer: {name} ({type(tokenizer).__name__}). Expected one with a "
            "tokenizer.json, for character offsets. Convert it, or use another."
        )
    longest = tokenizer.model_max_length
    if not isinstance(longest, int) or longest < 1:
        raise UserError(
            f"damaged tokenizer: {name}: model_max_length={shown(longest)} in its "
            "tokenizer_config.json. Expected a number of tokens. " + _ADVICE
        )
    for kind in ("mask", "pad"):
        if getattr(tokenizer, f"{kind}_token_id") is None:
            raise UserError(
                f"tokenizer without {kind} token: {name}. Expected a {kind}_token in its "
                "tokenizer_config.json. Add one, or use the tokenizer of a masked language model."
            )
    loaded = CorpusTokenizer(tokenizer)
    if loaded.vocab_size > MAX_VOCAB_SIZE:
        raise UserError(
            f"vocabulary too large: {name} has an entry of id {loaded.vocab_size - 1}. Expected "
            f"ids below {MAX_VOCAB_SIZE}. Number its entries from 0, or use another."
        )
    return loaded


def _load(name: str | Path) -> Any:  # whatever class the directory names
    from transformers import AutoTokenizer

    from tidemask.pretrained import from_pretrained

    directory = name if isinstance(name, Path) else _named_directory(name)
    try:
        return from_pretrained(AutoTokenizer, directory or name)
    except UserError:
        raise
    except Exception as error:  # that of tokenizers is no narrower; others follow from a wrong type
        raise_out_of_memory(error)
        if directory is not None:
            _check_files(Path(directory))
        raise UserError(
            f"no tokenizer there: {name} ({one_line(error)}). Expected a directory with a "
            "tokenizer.json, or the name of a model on the hub. Check the spelling, or train one."
        ) from error


def _named_directory(name: str) -> Path | None:
    return local_directory(name, expected="a tokenizer: a directory with a tokenizer.json")


@dataclass(frozen=True)
class _Configuration:
    """What transformers takes for granted of a `tokenizer_config.json`."""

    tokenizer_class: str | None = None
    model_max_length: int | None = None
    added_tokens_decoder: dict[str, Any] | None = None


def _check_files(directory: Path) -> None:
    """Name the file of a tokenizer that is damaged, and what is wrong in it.

    Raises:
        UserError: one is.
    """
    configuration, backend = directory / "tokenizer_config.json", directory / "tokenizer.json"
    if configuration.is_file():
        read_json(
            configuration,
            _Configuration,
            max_bytes=MAX_TOKENIZER_BYTES,
            what="tokenizer configuration",
            advice=_ADVICE,
        )
    if backend.is_file():
        try:
            Tokenizer.from_file(str(backend))
        except Exception as error:  # tokenizers raises no narrower one
            raise UserError(
                f"damaged tokenizer: {backend}: {one_line(error, longest=100)}. {_ADVICE}"
            ) from error
