"""How text becomes a corpus: the settings of preparation."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from tidemask.corpus.sources.documents import SettingValue
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.splitting.survey import Deduplicate
from tidemask.corpus.tagging.given_tags import GivenTags
from tidemask.corpus.tokenizing.loading import MAX_VOCAB_SIZE
from tidemask.corpus.tokenizing.normalization import TextNormalization, UnicodeForm
from tidemask.corpus.tokenizing.training import MIN_VOCAB_SIZE, TokenizerKind
from tidemask.corpus.tokenizing.wanted_entries import check_extension
from tidemask.corpus.units import Unit
from tidemask.corpus.words.boundaries import WordRule
from tidemask.errors import UserError
from tidemask.processes import max_workers
from tidemask.ray_connection import HERE, ray_address
from tidemask.settings import MAX_BATCH, check_integer, check_share, check_share_below_one


@dataclass(frozen=True, kw_only=True)
class PrepareSettings(TextSettings):
    """How text becomes a corpus.

    Raises:
        UserError: a setting is of another type, or outside its range.
    """

    tokenizer: str | None = None
    """Directory or hub name of a fast tokenizer with mask and pad token; `None` trains one."""

    extend_vocabulary: int | str | None = None
    """What `tokenizer` gets more entries for: so many, at least 1, those that shorten the training
    text most; or the words of a file, one a line."""

    tokenizer_kind: TokenizerKind = "wordpiece"
    """What is trained: "wordpiece" as BERT's, "bpe", byte-level as RoBERTa's and ModernBERT's, or
    "unigram" as XLM-R's."""

    vocab_size: int = 8192
    """Maximum entries of a tokenizer that is trained, from 64 (261 for "bpe") to `MAX_VOCAB_SIZE`.
    The default suits one to a hundred million words: few rare entries, and a tiny model is not
    mostly embeddings."""

    normalization: UnicodeForm = "nfc"
    """Unicode form of text for a tokenizer that is trained: "nfc", "nfkc" or "none"."""

    lowercase: bool = False
    """Whether a tokenizer that is trained makes capitals small letters."""

    strip_accents: bool | None = None
    """Whether a tokenizer that is trained drops all combining marks; `None` does as `lowercase`,
    which together is bert-base-uncased's way."""

    tagger: str = "textblob"
    """Where token classes come from: "none", "textblob" (English), "nltk" (English),
    "spacy:NAME_OR_PATH", "stanza:LANGUAGE", a tagger of another package, or the input: "conllu"
    (with ":xpos" its fifth column) or "column:TAG:WORD", columns counted from 0."""

    words: WordRule = "auto"
    """Where words come from, which whole-word masking keeps together: "tagger", "unicode" (rules of
    Unicode, with dictionaries for scripts without spaces), "whitespace", or "tokenizer" (as its
    pre-tokenizer cuts); "auto" is the tagger where there is one, else Unicode."""

    sequence_length: int = 128
    """Tokens of a row, special ones included, in [8, 65536]."""

    held_out: float = 0.05
    """Share of the words in the held-out split, which has whole documents, in [0, 1)."""

    deduplicate: Deduplicate = "exact"
    """Which copies are dropped: "exact" (of the same text but for white space), "near" (also those
    that are much alike), "auto" (near ones among texts of `AUTO_MIN_UNITS` words or more) or
    "none"."""

    duplicate_threshold: float = 0.7
    """Share of their shingles that two texts have in common, out of all that either has, from which
    on they are near copies, in (0, 1]."""

    duplicate_unit: Unit = "word"
    """What shingles are runs of: "word" (single letters in scripts without spaces) or
    "character"."""

    workers: int | None = None
    """Processes that tag and tokenise, 1 to `max_workers`, or chunks at once on a Ray cluster, 1 to
    65536; `None` is one for each core, with Ray of all machines."""

    engine: str = "local"
    """Where they are: "local", on this machine, "ray", by a Ray that is started on it, or
    "ray:ADDRESS", on the machines of a cluster."""

    @property
    def ray_address(self) -> str | None:
        """The address that Ray is to be connected to; `None` for no Ray."""
        return ray_address(self.engine)

    @property
    def given_tags(self) -> GivenTags | None:
        """Where files have words with tags, if that is what the tagger says."""
        return GivenTags.named(self.tagger)

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            minimum = MIN_VOCAB_SIZE[self.tokenizer_kind]
            check_integer("vocab_size", self.vocab_size, minimum=minimum, below=MAX_VOCAB_SIZE + 1)
            check_extension(self.tokenizer, self.extend_vocabulary)
            check_integer("sequence_length", self.sequence_length, minimum=8, below=MAX_BATCH + 1)
            self._check_engine()
            check_share_below_one("held_out", self.held_out)
            check_share("duplicate_threshold", self.duplicate_threshold)
            if self.duplicate_threshold == 0:
                raise ValueError("duplicate_threshold=0. Expected a number above 0, at most 1")
        except ValueError as error:
            raise UserError(f"setting outside its range: {error}") from error

    def _check_engine(self) -> None:
        most = max_workers() if self.ray_address in (None, HERE) else MAX_BATCH
        if self.workers is not None:
            check_integer("workers", self.workers, minimum=1, below=most + 1)

    def recorded(self) -> dict[str, SettingValue]:
        """Every setting that the corpus depends on, as its manifest has it."""
        settings = {n: value for n, value in asdict(self).items() if n not in ("workers", "engine")}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in settings.items()
        }

    @property
    def text_normalization(self) -> TextNormalization:
        """What a tokenizer that is trained makes of text."""
        accents = self.lowercase if self.strip_accents is None else self.strip_accents
        return TextNormalization(
            form=self.normalization, lowercase=self.lowercase, strip_accents=accents
        )
