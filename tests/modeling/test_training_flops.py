"""The formula of operations against PyTorch's own counter, on real models of every architecture."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from cases import all_cases
from tidemask.modeling.heads import HEADS
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.modeling.training_flops import training_flops
from tiny_models import FIRST_WORD, VOCAB, tiny


def _counted(model: SelectedPositionsLM, length: int, num_predicted: int) -> int:
    """What a step of training takes on two rows, by the counter."""
    ids = torch.randint(FIRST_WORD, VOCAB, (2, length))
    positions = torch.arange(num_predicted)
    with FlopCounterMode(display=False) as counter:
        logits = model.logits(ids, positions)
        torch.nn.functional.cross_entropy(logits, ids.flatten()[positions]).backward()
    return counter.get_total_flops()


SMALL = {"vocab_size": VOCAB, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
         "intermediate_size": 48, "max_position_embeddings": 64, "pad_token_id": 0}  # fmt: skip


@pytest.mark.slow
@all_cases(
    ("name", "changes"),
    [
        *((name, {}) for name in sorted(HEADS.keys() - {"deberta", "deberta-v2"})),
        ("mpnet", SMALL),
        ("albert", {"inner_group_num": 2, "num_hidden_layers": 3, "num_hidden_groups": 2}),
    ],
)
def test_training_flops_are_those_that_pytorch_counts(name: str, changes: dict[str, Any]) -> None:
    model = SelectedPositionsLM(tiny(name, attn_implementation="eager", **changes))
    for length, num_predicted in ((16, 5), (16, 11), (40, 11)):
        flops = training_flops(model, length)
        assert flops is not None
        assert (flops.per_predicted == 0) == model.runs_full_head
        expected = _counted(model, length, num_predicted)
        assert flops.total(2 * length, num_predicted) == expected, (length, num_predicted)


@all_cases(("name", "changes"), [("deberta", {}), ("deberta-v3", {}), ("fnet", SMALL)])
def test_training_flops_of_layers_unlike_the_formula_s_are_not_stated(
    name: str, changes: dict[str, Any]
) -> None:
    assert training_flops(SelectedPositionsLM(tiny(name, **changes)), 16) is None


def test_training_flops_of_a_long_run_are_a_number() -> None:
    flops = training_flops(SelectedPositionsLM(tiny("bert")), 16)
    assert flops is not None
    assert flops.total(10**18, 0) == flops.per_seen * 10**18
