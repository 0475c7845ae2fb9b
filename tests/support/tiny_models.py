"""Tiny models of every architecture, and packed batches for them."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedModel

VOCAB = 97
PAD, SEP, MASK = 0, 3, 4
FIRST_WORD = 5

_BERT = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": PAD,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "initializer_range": 0.1,
}
_ROBERTA = {**_BERT, "pad_token_id": 1, "max_position_embeddings": 66, "type_vocab_size": 1}
_DEBERTA = {**_BERT, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
_MODERNBERT = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 64,
    "local_attention": 6,
    "pad_token_id": PAD,
    "initializer_range": 0.1,
}

ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", _BERT),
    "roberta": ("roberta", _ROBERTA),
    "xlm-roberta": ("xlm-roberta", _ROBERTA),
    "camembert": ("camembert", _ROBERTA),
    "distilbert": (
        "distilbert",
        {
            "vocab_size": VOCAB, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48,
            "max_position_embeddings": 64, "dropout": 0.0, "attention_dropout": 0.0,
            "pad_token_id": PAD, "initializer_range": 0.1,
        },
    ),
    "electra": ("electra", {**_BERT, "embedding_size": 24}),
    "albert": ("albert", {**_BERT, "embedding_size": 24}),
    "deberta": ("deberta", {**_DEBERTA, "legacy": True}),
    "deberta-new-head": ("deberta", {**_DEBERTA, "legacy": False}),
    "deberta-v2": ("deberta-v2", {**_DEBERTA, "legacy": True, "position_biased_input": True}),
    "deberta-v3": (
        "deberta-v2",
        {
            **_DEBERTA, "legacy": False, "position_biased_input": False, "position_buckets": 8,
            "share_att_key": True, "norm_rel_ebd": "layer_norm", "type_vocab_size": 0,
        },
    ),
    "modernbert": ("modernbert", _MODERNBERT),
    "modernbert-sparse": ("modernbert", {**_MODERNBERT, "sparse_prediction": True}),
}  # fmt: skip
"""`model_type` and configuration of each architecture with a head at selected positions."""


def tiny(name: str, **changes: Any) -> PreTrainedModel:
    """A model of `ARCHITECTURES`, or of another `model_type` with all of its configuration."""
    architecture, settings = ARCHITECTURES.get(name, (name, {}))
    config = AutoConfig.for_model(architecture, **{**settings, **changes})
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model: PreTrainedModel = AutoModelForMaskedLM.from_config(config)
        for parameter in model.parameters():  # biases that are 0 would hide a forgotten one
            torch.nn.init.normal_(parameter, std=0.1)
    return model.train()


def batch(padded: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Ids [4, 24] of text, selected positions, and the attention mask if some are padding."""
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(FIRST_WORD, VOCAB, (4, 24), generator=generator)
    mask = None
    if padded:
        mask = torch.arange(24) < torch.tensor([24, 20, 7, 1]).unsqueeze(1)
        ids = torch.where(mask, ids, PAD)
    selected = torch.rand(4, 24, generator=generator) < 0.2
    return ids, selected if mask is None else selected & mask, mask
