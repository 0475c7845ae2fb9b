"""How text becomes a corpus: the settings of preparation."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidemask.corpus.tokenizing.loading import MAX_VOCAB_SIZE
from tidemask.errors import UserError
from tidemask.processes import available_cores, max_workers
from tidemask.settings import MAX_BATCH, Settings, check_integer, check_share_below_one


@dataclass(frozen=True, kw_only=True)
class PrepareSettings(Settings):
    """How text becomes a corpus.

    Raises:
        UserError: a setting is of another type, or outside its range.
    """

    tokenizer: str | None = None
    """Directory or hub name of a fast tokenizer with mask and pad token; `None` trains one."""

    vocab_size: int = 8192
    """Maximum entries of a tokenizer that is trained, in [64, `MAX_VOCAB_SIZE`]. The default suits
    one to a hundred million words: few rare entries, and a tiny model is not mostly embeddings."""

    lowercase: bool = True
    """Whether a tokenizer that is trained drops case and accents, as bert-base-uncased does."""

    tagger: str = "textblob"
    """Where token classes come from: "none", "textblob" or "spacy:NAME_OR_PATH"."""

    sequence_length: int = 128
    """Tokens of a row, special ones included, in [8, 65536]."""

    held_out: float = 0.05
    """Share of the documents in the held-out split, in [0, 1)."""

    workers: int = field(default_factory=available_cores)
    """Processes that tag and tokenise, 1 to `max_workers`. By default as many as there are
    cores."""

    def __post_init__(self) -> None:
        try:
            super().__post_init__()
            check_integer("vocab_size", self.vocab_size, minimum=64, below=MAX_VOCAB_SIZE + 1)
            check_integer("sequence_length", self.sequence_length, minimum=8, below=MAX_BATCH + 1)
            check_integer("workers", self.workers, minimum=1, below=max_workers() + 1)
            check_share_below_one("held_out", self.held_out)
        except ValueError as error:
            raise UserError(f"setting outside its range: {error}") from error
