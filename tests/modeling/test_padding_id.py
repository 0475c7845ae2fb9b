"""A padding id that ends texts, too: every position is seen, as with a mask of ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import CONFIG_MAPPING, PreTrainedModel

from cases import one_in
from tidemask.modeling.padding_id import position_padding, unpadded
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tiny_models import ARCHITECTURES, FIRST_WORD, SEP, VOCAB, tiny

_USUAL = {
    "vocab_size": VOCAB, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 48, "max_position_embeddings": 66, "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
_XLM = {
    "vocab_size": VOCAB, "emb_dim": 32, "n_layers": 2, "n_heads": 2, "dropout": 0.0,
    "attention_dropout": 0.0, "pad_index": SEP, "n_langs": 1,
}  # fmt: skip
_ALIKE = """big_bird convbert data2vec-text ernie eurobert fnet gte ibert jina_embeddings_v3
megatron-bert mpnet mra nomic_bert nystromformer rembert roberta-prelayernorm roformer
xlm-roberta-xl yoso""".split()
_OTHERS: dict[str, dict[str, Any]] = {
    **{name: _USUAL for name in _ALIKE if name in CONFIG_MAPPING},  # the newest are not in 5.17
    "big_bird": {**_USUAL, "attention_type": "original_full"},
    "esm": {**_USUAL, "mask_token_id": 4, "position_embedding_type": "absolute"},
    "flaubert": _XLM,
    "longformer": {**_USUAL, "attention_window": 8},
    "luke": {**_USUAL, "entity_vocab_size": 10, "entity_emb_size": 8},
    "xlm": _XLM,
    "xmod": {**_USUAL, "languages": ["en_XX"], "default_language": "en_XX"},
}
"""Masked language models of transformers whose head is not in our table."""


def _model(name: str) -> PreTrainedModel:
    return tiny(name, **_OTHERS.get(name, {}), pad_token_id=SEP).eval()


def _ids() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(FIRST_WORD, VOCAB, (1, 16), generator=generator)
    ids[0, [7, 15]] = SEP
    return ids


@pytest.mark.parametrize("name", one_in(2, [*ARCHITECTURES, *_OTHERS]))
@torch.no_grad()
def test_padding_id_hides_nothing_of_sequences_without_padding(name: str) -> None:
    model, ids = _model(name), _ids()
    takes_mask = name != "fnet"
    seen = model(input_ids=ids, attention_mask=torch.ones_like(ids) if takes_mask else None).logits
    found = model(**unpadded(model, ids)).logits
    torch.testing.assert_close(found, seen)
    positions = torch.arange(16)
    torch.testing.assert_close(SelectedPositionsLM(model).logits(ids, positions), seen[0])


@pytest.mark.parametrize("name", ["flaubert", "xlm"])
@torch.no_grad()
def test_padding_id_is_a_mask_to_some_models(name: str) -> None:
    """The law above is not empty: their own forward takes it for padding."""
    model, ids = _model(name), _ids()
    assert not torch.allclose(model(input_ids=ids).logits, model(**unpadded(model, ids)).logits)


@pytest.mark.parametrize("name", [*ARCHITECTURES, *_OTHERS])
@torch.no_grad()
def test_padding_id_is_not_counted_where_the_model_does_not_count_it(name: str) -> None:
    """Against the numbers that the model looks up in its table of positions."""
    model, ids = _model(name), _ids()
    padding = position_padding(model.base_model)
    looked_up: list[torch.Tensor] = []
    table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    if table is None:  # positions are relative, or not embedded there
        assert padding is None
        return
    table.register_forward_hook(lambda _, inputs, __: looked_up.append(inputs[0]))
    ids[0, 11] = padding or 0
    model(input_ids=ids)
    numbers = looked_up[0][..., :16].flatten().tolist()
    number, expected = (numbers[0] if padding is None else padding + 1), []
    for token in ids[0].tolist():
        expected.append(padding if token == padding else number)
        number += token != padding
    assert numbers == expected
