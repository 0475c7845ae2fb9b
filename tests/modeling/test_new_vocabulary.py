"""Embeddings that are carried over to another vocabulary, in every architecture that is known."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from cases import all_cases
from tidemask.corpus.tokenizing.carried_entries import CarriedEntries
from tidemask.errors import UserError
from tidemask.modeling.new_vocabulary import with_vocabulary
from tiny_models import ARCHITECTURES, VOCAB, tiny

_MOBILEBERT = {
    "vocab_size": VOCAB, "hidden_size": 32, "embedding_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 48, "true_hidden_size": 16,
    "intra_bottleneck_size": 16, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
"""Its output embeddings have a part with a column for each id."""


def model_of(name: str) -> Any:
    return tiny(name, **_MOBILEBERT) if name == "mobilebert" else tiny(name)


def names(pad: int) -> dict[str, int | None]:
    """The special ids of a tokenizer, as a configuration records them."""
    return {"pad_token_id": pad, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": None}


def logits(model: Any, ids: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = model.eval()(input_ids=ids).logits
    return found


def pad_of(name: str) -> int:
    return int(model_of(name).config.pad_token_id)


EXTENSION = CarriedEntries(
    tuple((i,) for i in range(VOCAB - 6)) + ((10, 11), (20, 21, 22), ()) * 4,
    keeps_ids=True,
    old_ids=tuple(range(VOCAB - 6)),
)
"""Twelve entries after those of the old tokenizer; the model has rows for six of them."""


@all_cases("name", [*ARCHITECTURES, "mobilebert"])
def test_extension_leaves_what_old_ids_give(name: str) -> None:
    model = model_of(name)
    ids = torch.randint(5, VOCAB - 6, (2, 9), generator=torch.Generator().manual_seed(1))
    before = logits(model, ids)
    state = torch.get_rng_state()
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    model = with_vocabulary(model, EXTENSION, names(pad_of(name)), "pieces")
    assert torch.equal(torch.get_rng_state(), state)
    after = logits(model, ids)
    num = VOCAB - 6
    assert after.shape[-1] == len(EXTENSION.ids) == model.config.vocab_size
    torch.testing.assert_close(after[..., :num], before[..., :num], atol=1e-5, rtol=1e-5)
    weight = model.get_input_embeddings().weight
    assert (weight is model.get_output_embeddings().weight) == tied
    torch.testing.assert_close(weight[num], weight[10:12].mean(0))
    torch.testing.assert_close(weight[num + 1], weight[20:23].mean(0))
    torch.testing.assert_close(weight[num + 2], weight[:num].mean(0))
    # The logits are linear in the output embeddings and their bias, whatever holds them.
    torch.testing.assert_close(after[..., num], after[..., 10:12].mean(-1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(after[..., num + 1], after[..., 20:23].mean(-1), atol=1e-4, rtol=0)


def test_extension_leaves_buffers_that_are_computed_from_weights() -> None:
    """I-BERT has its quantized embeddings in one, with a row for each id."""
    usual = {k: v for k, v in _MOBILEBERT.items() if k in ("vocab_size", "num_hidden_layers")}
    model = tiny("ibert", **usual, hidden_size=32, num_attention_heads=2, intermediate_size=48,
                 max_position_embeddings=66)  # fmt: skip
    ids = torch.randint(5, VOCAB - 6, (2, 9), generator=torch.Generator().manual_seed(1))
    before = logits(model, ids)
    model = with_vocabulary(model, EXTENSION, names(1), "pieces")
    after = logits(model, ids)
    torch.testing.assert_close(after[..., : VOCAB - 6], before[..., : VOCAB - 6], atol=1e-5, rtol=0)


@all_cases("name", ["bert", "roberta", "modernbert", "deberta-v3", "albert", "mobilebert"])
def test_new_vocabulary_permutes_what_is_carried_over(name: str) -> None:
    model = model_of(name)
    special = [0, 1, 2, 3, 4]
    order = [*special, *range(VOCAB - 1, 40, -1)]
    carried = CarriedEntries(
        tuple((i,) for i in order), keeps_ids=False, old_ids=tuple(range(VOCAB))
    )
    ids = torch.randint(5, len(order), (2, 9), generator=torch.Generator().manual_seed(1))
    before = logits(model, torch.tensor(order)[ids])
    model = with_vocabulary(model, carried, names(pad_of(name)), "pieces")
    torch.testing.assert_close(logits(model, ids), before[..., order], atol=1e-5, rtol=1e-5)
    assert model.config.vocab_size == len(order)


def test_new_embeddings_may_be_the_mean_of_all() -> None:
    model = tiny("bert")
    model = with_vocabulary(model, EXTENSION, names(0), "mean")
    weight = model.get_input_embeddings().weight
    num = VOCAB - 6
    for row in range(num, num + 3):
        torch.testing.assert_close(weight[row], weight[:num].mean(0))


def test_rows_beyond_the_tokenizer_stay() -> None:
    model = tiny("bert")
    before = model.get_input_embeddings().weight.detach().clone()
    few = CarriedEntries(EXTENSION.ids[: VOCAB - 4], keeps_ids=True, old_ids=EXTENSION.old_ids)
    model = with_vocabulary(model, few, names(0), "pieces")
    after = model.get_input_embeddings().weight
    assert torch.equal(after[VOCAB - 4 :], before[VOCAB - 4 :])
    assert torch.equal(after[: VOCAB - 6], before[: VOCAB - 6])
    torch.testing.assert_close(after[VOCAB - 6], before[10:12].mean(0))


def test_new_vocabulary_refuses_another_padding_id_where_positions_are_counted_from_it() -> None:
    carried = CarriedEntries(((0,), (1,)), keeps_ids=False, old_ids=(0, 1))
    with pytest.raises(UserError, match="padding id of another model: the tokenizer pads with 0"):
        with_vocabulary(tiny("roberta"), carried, names(0), "pieces")
