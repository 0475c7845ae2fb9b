"""The formula of operations against PyTorch's own counter, on real models of two architectures."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

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


@pytest.mark.parametrize("name", ["bert", "modernbert", "distilbert", "electra", "albert"])
def test_training_flops_are_those_that_pytorch_counts(name: str) -> None:
    model = SelectedPositionsLM(tiny(name, attn_implementation="eager"))
    for length, num_predicted in ((16, 5), (16, 11), (40, 11)):
        flops = training_flops(model, length)
        expected = _counted(model, length, num_predicted)
        assert flops.total(2 * length, num_predicted) == expected, (length, num_predicted)


def test_training_flops_of_a_full_head_are_for_every_token() -> None:
    model = SelectedPositionsLM(tiny("mpnet", vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2,
                                     num_attention_heads=2, intermediate_size=48))  # fmt: skip
    flops = training_flops(model, 16)
    assert flops.per_predicted == 0
    head = model.language_model.lm_head
    assert flops.per_seen > 6 * (head.dense.weight.numel() + head.decoder.weight.numel())


def test_training_flops_of_a_long_run_are_a_number() -> None:
    flops = training_flops(SelectedPositionsLM(tiny("bert")), 16)
    assert flops.total(10**18, 0) == flops.per_seen * 10**18
