"""A model with another vocabulary, its embeddings carried over from the old one.

Whatever has a row for each id goes along: input embeddings, output embeddings where they are not
tied, and biases. Tied weights stay tied. `resize_token_embeddings` of transformers is not used: in
5.23 it takes the dense layer of DeBERTa-v3's head for output embeddings.

Dimension: `V` ids.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM, PreTrainedConfig, PreTrainedModel

from tidemask.corpus.tokenizing.carried_entries import CarriedEntries
from tidemask.errors import UserError
from tidemask.modeling.padding_id import position_padding
from tidemask.modeling.settings import NewEmbeddings
from tidemask.modeling.special_ids import record_special_ids
from tidemask.pretrained import from_config


@torch.no_grad()
def with_vocabulary(
    model: PreTrainedModel,
    carried: CarriedEntries,
    special: Mapping[str, int | None],
    source: NewEmbeddings,
) -> PreTrainedModel:
    """A model that reads the ids of another tokenizer, and is else the same.

    Rows beyond the old vocabulary stay, or become those of new entries, where old entries keep
    their ids. The global generator is left as it was.

    Args:
        model: of the old tokenizer; its weights are not changed.
        carried: what each new id is made of.
        special: ids that a configuration records, by their names there, as `special_ids` gives
            those of the new tokenizer.
        source: of the rows of entries that the old tokenizer has not: the mean of those of their
            pieces, or of all.

    Raises:
        UserError: the model numbers its positions from a padding id that is another now.
    """
    _check_padding(model, special["pad_token_id"])
    embeddings: Any = model.get_input_embeddings()
    num_old, num_carried = int(embeddings.weight.shape[0]), len(carried.ids)
    config = copy.deepcopy(model.config)
    config.vocab_size = max(num_carried, num_old) if carried.keeps_ids else num_carried
    if not carried.keeps_ids:
        record_special_ids(config, special)
    with torch.random.fork_rng(devices=[]):
        built: PreTrainedModel = from_config(AutoModelForMaskedLM, config, dtype=torch.float32)
    built.train(model.training)
    old = dict(model.named_parameters()) | dict(model.named_buffers())
    by_id = _dimension_of_ids(model.config, num_old)
    for name, weight in (*built.named_parameters(), *built.named_buffers()):
        if name not in by_id:
            if weight.shape == old[name].shape:  # else a buffer that I-BERT computes from weights
                weight.copy_(old[name])
            continue
        rows, old_rows = (one.movedim(by_id[name], 0) for one in (weight, old[name]))
        if carried.keeps_ids:
            rows[:num_old] = old_rows
        rows[:num_carried] = _rows(old_rows, carried, source)
    return built


def _dimension_of_ids(config: PreTrainedConfig, num_ids: int) -> dict[str, int]:
    """The weights that have as many rows, or columns, as there are ids, with that dimension.

    MobileBERT has a part of its output embeddings in columns.
    """

    def shapes(size: int) -> dict[str, torch.Size]:
        sized = copy.deepcopy(config)
        sized.vocab_size = size
        with torch.device("meta"):
            model = from_config(AutoModelForMaskedLM, sized)
        return {name: weight.shape for name, weight in model.named_parameters()}

    one_more, found = shapes(num_ids + 1), {}
    for name, shape in shapes(num_ids).items():
        for dimension, sizes in enumerate(zip(shape, one_more[name], strict=True)):
            if sizes[0] != sizes[1]:
                found[name] = dimension
    return found


def _rows(weight: Tensor, carried: CarriedEntries, source: NewEmbeddings) -> Tensor:
    """The rows of new ids [V, ...], from those of old ones."""
    flat = weight.reshape(len(weight), -1)
    mean = flat[list(carried.old_ids)].mean(0)
    ids = [old if len(old) == 1 or source == "pieces" else () for old in carried.ids]
    offsets = torch.tensor([0, *map(len, ids)]).cumsum(0)[:-1]
    together = torch.tensor([i for old in ids for i in old], dtype=torch.int64)
    rows = nn.functional.embedding_bag(together, flat, offsets, mode="mean")
    rows[torch.tensor([not old for old in ids])] = mean
    return rows.reshape(-1, *weight.shape[1:])


def _check_padding(model: PreTrainedModel, padding: int | None) -> None:
    counted_from = position_padding(model.base_model)
    if counted_from is not None and counted_from != padding:
        raise UserError(
            f"padding id of another model: the tokenizer pads with {padding}, and the model "
            f"numbers its positions from {counted_from + 1}, after its own. Expected the "
            "same id. Train a tokenizer of the kind of the model's (tokenizer_kind), or extend its "
            "own (extend_vocabulary)."
        )
