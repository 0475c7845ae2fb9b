"""A model whose tokenizer is not that of the corpus: its embeddings are carried over."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from tidemask.corpus.tokenizing.carried_entries import CarriedEntries, carried_entries
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.errors import UserError
from tidemask.modeling.new_vocabulary import with_vocabulary
from tidemask.modeling.settings import NewEmbeddings
from tidemask.modeling.special_ids import special_ids
from tidemask.modeling.wrapped_weights import how_to_resize
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.model_fit import check_vocabulary, has_tokenizer, is_tokenizer_of


def fit_vocabulary(
    name: str, model: PreTrainedModel, data: CorpusInputs, source: NewEmbeddings | None
) -> tuple[PreTrainedModel, str | None]:
    """The model that reads the ids of a corpus as they were meant, and a note.

    Embeddings are carried over where the corpus has another tokenizer than the model: always if it
    is the model's own with more entries, and else if their source is named.

    Args:
        name: a directory, or the name of a model on the hub.
        model: the model from there.
        data: the corpus.
        source: of the embeddings of new entries.

    Returns:
        The model, or one with another vocabulary; and what was carried over or could not be
        checked, one sentence, `None` if all is the same.

    Raises:
        UserError: the tokenizers differ and no source is named, or the model has fewer ids than its
            own tokenizer.
    """
    if not has_tokenizer(name) or is_tokenizer_of(own := load_tokenizer(name), data):
        return model, check_vocabulary(name, model, data)
    carried = carried_entries(own, load_tokenizer(data.corpus.tokenizer_directory))
    if source is None and not carried.keeps_ids:
        raise UserError(
            f"model does not fit the corpus: {name} (vocab_size={own.vocab_size}) and "
            f"{data.corpus.root} (vocab_size={data.vocabulary.size}) have different tokenizers. "
            f"Prepare the text with tokenizer={name} (--tokenizer), or carry its embeddings over "
            "(model.new_embeddings=pieces)."
        )
    embeddings: Any = model.get_input_embeddings()
    num_rows = int(embeddings.weight.shape[0])
    if num_rows < own.vocab_size:
        raise UserError(
            f"fewer embeddings than tokens: {name} has {num_rows} rows of embeddings, and its "
            f"tokenizer {own.vocab_size} ids. {how_to_resize(name, own.vocab_size, model)}"
        )
    chosen = source or "pieces"
    fitted = with_vocabulary(model, carried, special_ids(data.tokenizer), chosen)
    return fitted, _told(name, carried, chosen)


def _told(name: str, carried: CarriedEntries, source: NewEmbeddings) -> str:
    """How much of a vocabulary was carried over, one sentence."""
    num, same = len(carried.ids), carried.num_same
    of_pieces = carried.num_of_pieces if source == "pieces" else 0
    kind = f"that of {name} with more entries" if carried.keeps_ids else f"not that of {name}"
    return (
        f"The tokenizer of the corpus is {kind}: of {num:,} entries {same:,} ({same / num:.1%}) "
        f"have the embeddings of the same text, {of_pieces:,} the mean of their pieces and "
        f"{num - same - of_pieces:,} the mean of all."
    )
