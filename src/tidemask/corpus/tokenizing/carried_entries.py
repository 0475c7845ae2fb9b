"""Which entries of one vocabulary the entries of another stand for.

Each new entry is, if it can be, an old one: the same text in the same place of a word. Else it is
the old pieces of its text, of whose embeddings it may take the mean (Yao et al. 2021, arXiv
2106.13474). Entries in common are what WECHSEL (Minixhofer et al. 2022, arXiv 2112.06598) and FOCUS
(Dobler and de Melo 2023, arXiv 2305.14481) carry over, too; their other embeddings, which need
those of a second model, are not made here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tidemask.corpus.tokenizing.ordinary_text import plain_backend
from tidemask.corpus.tokenizing.space_marks import marks_of_space
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer

_NAMES = (("mask",), ("pad",), ("unk",), ("cls", "bos"), ("sep", "eos"), ("bos", "cls"), ("eos",))
"""Special tokens that stand for one another, by the names that transformers has for them."""


@dataclass(frozen=True)
class EntryText:
    """What an entry stands for in text.

    Attributes:
        text: without the marks of its kind of model.
        begins_word: whether it stands after a space, as its marks say.
    """

    text: str
    begins_word: bool


@dataclass(frozen=True)
class CarriedEntries:
    """What each id of a new vocabulary is made of.

    Attributes:
        ids: for each id old ones: one if it is the same entry, several if it is their text, none if
            nothing is known of it.
        keeps_ids: whether all old entries have their ids still, and the named special tokens are
            the same entries, as after an extension.
        old_ids: of all old entries.
    """

    ids: tuple[tuple[int, ...], ...]
    keeps_ids: bool
    old_ids: tuple[int, ...]

    @property
    def num_same(self) -> int:
        """Ids of which there is one old entry."""
        return sum(len(old) == 1 for old in self.ids)

    @property
    def num_of_pieces(self) -> int:
        """Ids of several old entries."""
        return sum(len(old) > 1 for old in self.ids)


def carried_entries(old: CorpusTokenizer, new: CorpusTokenizer) -> CarriedEntries:
    """What the ids of a new tokenizer are made of, from an old one."""
    before, after = old.tokenizer.get_vocab(), new.tokenizer.get_vocab()
    keeps_ids = _named_ids(old).items() <= _named_ids(new).items() and all(
        after.get(entry) == token_id for entry, token_id in before.items()
    )
    found: list[tuple[int, ...]] = [()] * new.vocab_size
    pieces = _OldPieces(old)
    named = dict(_named_pairs(old, new))
    special = set(new.special_ids)
    texts = _Spelling(new)
    for entry, token_id in after.items():
        if keeps_ids and entry in before:
            found[token_id] = (token_id,)
        elif token_id in named:
            found[token_id] = (named[token_id],)
        elif token_id in special:
            found[token_id] = (before[entry],) if entry in before else ()
        else:
            found[token_id] = pieces.of(texts.of(entry))
    return CarriedEntries(tuple(found), keeps_ids, tuple(sorted(before.values())))


def _named_ids(tokenizer: CorpusTokenizer) -> dict[str, int]:
    """Ids of the special tokens that have a name, such as `mask_token`."""
    named = tokenizer.named_special_ids
    return {name: ids[0] for name, ids in named.items() if name.endswith("_token")}


def _named_pairs(old: CorpusTokenizer, new: CorpusTokenizer) -> Iterator[tuple[int, int]]:
    for name, *others in _NAMES:
        token_id = getattr(new.tokenizer, f"{name}_token_id")
        ids = (getattr(old.tokenizer, f"{other}_token_id") for other in (name, *others))
        known = [old_id for old_id in ids if old_id is not None]
        if token_id is not None and known:
            yield int(token_id), int(known[0])


class _Spelling:
    """How entries of a tokenizer are spelt."""

    def __init__(self, tokenizer: CorpusTokenizer) -> None:
        self.backend: Tokenizer = plain_backend(tokenizer.tokenizer)
        self.is_byte_level = '"ByteLevel"' in self.backend.to_str()
        self.marks = marks_of_space(self.backend)
        model = self.backend.model
        is_wordpiece = isinstance(model, models.WordPiece)
        self.prefix = model.continuing_subword_prefix if is_wordpiece else ""

    def of(self, entry: str) -> EntryText | None:
        """What an entry stands for; `None` for part of a character, and for a mark alone."""
        if self.is_byte_level:
            text = decoders.ByteLevel().decode([entry])
            found = EntryText(text.removeprefix(" "), text.startswith(" "))
        elif self.prefix:
            found = EntryText(entry.removeprefix(self.prefix), not entry.startswith(self.prefix))
        elif entry[:1] in self.marks:
            found = EntryText(entry[1:], begins_word=True)
        else:
            found = EntryText(entry, not self.marks)
        return found if found.text and "\ufffd" not in found.text else None


class _OldPieces:
    """The ids of an old tokenizer for the texts of entries."""

    def __init__(self, tokenizer: CorpusTokenizer) -> None:
        self._spelling = _Spelling(tokenizer)
        self._unknown = tokenizer.unknown_id
        self._same: dict[EntryText, int] = {}
        self._anywhere: dict[str, int] = {}
        special = set(tokenizer.special_ids)
        for entry, token_id in tokenizer.tokenizer.get_vocab().items():
            text = self._spelling.of(entry)
            if text is not None and token_id not in special:
                self._same[text] = token_id
                if text.begins_word or text.text not in self._anywhere:
                    self._anywhere[text.text] = token_id
        self._inner = self._inner_model()

    def of(self, entry: EntryText | None) -> tuple[int, ...]:
        """One id if there is the same entry, else those of its pieces; none if one is unknown."""
        if entry is None:
            return ()
        if entry in self._same:
            return (self._same[entry],)
        normalizer = self._spelling.backend.normalizer
        text = entry.text if normalizer is None else normalizer.normalize_str(entry.text)
        text = text.strip("".join(self._spelling.marks) + " ")
        ids = self._pieces(EntryText(text, entry.begins_word)) if text else ()
        if ids and self._unknown not in ids:
            return ids
        return (self._anywhere[entry.text],) if entry.text in self._anywhere else ()

    def _pieces(self, entry: EntryText) -> tuple[int, ...]:
        spelling, model = self._spelling, self._spelling.backend.model
        if self._inner is not None and not entry.begins_word:
            model = self._inner
        spelled = (" " if entry.begins_word else "") + entry.text
        if spelling.is_byte_level:
            as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
            spelled = "".join(piece for piece, _ in as_bytes.pre_tokenize_str(spelled))
        elif spelling.marks:
            spelled = spelled.replace(" ", min(spelling.marks))
        else:
            spelled = spelled.strip()
        return tuple(token.id for token in model.tokenize(spelled))

    def _inner_model(self) -> models.Model | None:
        """A WordPiece model for what goes on within a word; `None` for other kinds."""
        prefix = self._spelling.prefix
        if not prefix:
            return None
        vocabulary = self._spelling.backend.get_vocab()
        inner = {e.removeprefix(prefix): i for e, i in vocabulary.items() if e.startswith(prefix)}
        unknown = self._spelling.backend.model.unk_token
        inner[unknown] = vocabulary[unknown]
        return models.WordPiece(inner, unk_token=unknown, continuing_subword_prefix="")
