"""Whether a model fits a prepared corpus: its tokenizer, the length of its rows, its documents."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.modeling.configuration import missing_positions
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.modeling.settings import ModelSettings
from tidemask.modeling.wrapped_weights import how_to_resize
from tidemask.runs.corpus_inputs import CorpusInputs

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
)
"""A directory with any of these has a tokenizer."""


def training_module(
    model: PreTrainedModel, settings: ModelSettings, data: CorpusInputs
) -> SelectedPositionsLM:
    """The module that is trained and measured, with documents together or apart.

    Raises:
        UserError: documents cannot be kept apart, by this model or with this tokenizer.
    """
    return SelectedPositionsLM(model, separator_id=separator_of(settings, data))


def check_vocabulary(name: str, model: PreTrainedModel, data: CorpusInputs) -> str | None:
    """Make sure that a model reads the ids of a corpus as they were meant.

    A model may have more ids than its tokenizer (often a multiple of 64): the others are never read
    or drawn, only predicted against.

    Args:
        name: a directory, or the name of a model on the hub.
        model: the model from there.
        data: the corpus.

    Returns:
        What could not be checked, one sentence; `None` if everything was.

    Raises:
        UserError: the tokenizers differ, or the model has fewer ids than the corpus.
    """
    embeddings: Any = model.get_input_embeddings()
    num_ids = int(embeddings.weight.shape[0])
    is_bare = not has_tokenizer(name)
    size = data.vocabulary.size
    if is_bare:
        if num_ids != size:
            raise UserError(
                f"model does not fit the corpus: {name} (vocab_size={num_ids}) and "
                f"{data.corpus.root} (vocab_size={size}), and {name} has no tokenizer. Put its own "
                "tokenizer there, and prepare the text with it (--tokenizer)."
            )
    elif not is_tokenizer_of(load_tokenizer(name), data):
        raise UserError(
            f"model does not fit the corpus: {name} (vocab_size={num_ids}) and "
            f"{data.corpus.root} (vocab_size={size}) have different tokenizers. Prepare the text "
            f"with tokenizer={name} (--tokenizer)."
        )
    elif num_ids < size:
        raise UserError(
            f"fewer embeddings than tokens: {name} has {num_ids} rows of embeddings, and its "
            f"tokenizer, with which {data.corpus.root} was prepared, has {size} ids. "
            f"{how_to_resize(name, size, model)}"
        )
    if is_bare:
        return f"{name} has no tokenizer; that the corpus was made with its own was not checked."
    return None


def has_tokenizer(name: str) -> bool:
    """Whether a directory has files of a tokenizer; a name on the hub is taken to have some."""
    directory = given_path(name, "model.warm_start")
    return not directory.is_dir() or any((directory / f).is_file() for f in _TOKENIZER_FILES)


def is_tokenizer_of(tokenizer: CorpusTokenizer, data: CorpusInputs) -> bool:
    """Whether a tokenizer gives texts the ids that a corpus has, with the same special tokens."""
    own = load_tokenizer(data.corpus.tokenizer_directory)
    return (tokenizer.fingerprint, tokenizer.named_special_ids) == (
        data.corpus.manifest.tokenizer_fingerprint,
        own.named_special_ids,
    )


def check_length(name: str, model: PreTrainedModel, data: CorpusInputs) -> None:
    """Make sure that a model has positions for the rows of a corpus.

    Raises:
        UserError: the rows are too long.
    """
    length = data.corpus.manifest.sequence_length
    missing = missing_positions(model, length)
    if missing:
        raise UserError(
            f"rows too long for the model: sequence_length={length} of {data.corpus.root}, and "
            f"{name} has {length - missing} positions. "
            "Prepare the text with a sequence_length (--sequence-length) of "
            f"{length - missing} or less."
        )


def separator_of(settings: ModelSettings, data: CorpusInputs) -> int | None:
    """The id that ends each document in a row, where documents are to be kept apart.

    Raises:
        UserError: the tokenizer has none.
    """
    if settings.documents == "together":
        return None
    if data.separator_id is None:
        raise UserError(
            f"documents cannot be kept apart: the tokenizer of {data.corpus.root} has no SEP "
            "or EOS token that is not its unknown token too, so its rows do not show where "
            "documents end. Set model.documents=together."
        )
    return data.separator_id
