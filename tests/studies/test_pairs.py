"""A seed is a pair: what one seed gives every arm of a study alike, whatever its masking."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from observed_run import observe
from small_runs import started, trainer_of
from tidemask.masking.batch import IGNORE_INDEX

STEPS = 5
ARMS = {
    "bert": (),
    "ptw-mrd": ("evaluation.every_steps=2",),
    "wettig-40": ("masking.unit=span",),
}
"""Token, whole-word and span masking; constant and decaying; with and without feedback."""


@dataclass
class Seen:
    """What one run had.

    Attributes:
        weights: before the first step, by name.
        texts: unmasked ids of each step, [B, L].
        dropped: what dropout set to 0, in the order in which training drew it.
    """

    weights: dict[str, Tensor]
    texts: list[Tensor]
    masked: list[Tensor]
    dropped: list[Tensor]


def seen(corpus: Path, out: Path, recipe: str, monkeypatch: pytest.MonkeyPatch) -> Seen:
    dropped: list[Tensor] = []
    real = functional.dropout

    def noted(
        inputs: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        if training and p > 0.0:
            state = torch.get_rng_state()
            dropped.append(real(torch.ones_like(inputs), p) == 0.0)
            torch.set_rng_state(state)
        return real(inputs, p, training, inplace)

    settings = (f"training.max_steps={STEPS}", *ARMS[recipe])
    run = started(corpus, out / recipe, recipe, *settings)
    weights = {n: w.clone() for n, w in trainer_of(run).model.state_dict().items()}
    with monkeypatch.context() as patch:
        patch.setattr(functional, "dropout", noted)
        rows = [row.chunk(2, dim=1) for row in observe(run).rows]
    texts = [torch.where(labels == IGNORE_INDEX, ids, labels) for ids, labels in rows]
    return Seen(weights, texts, [labels != IGNORE_INDEX for _, labels in rows], dropped)


@pytest.mark.slow
def test_a_seed_has_the_same_weights_texts_and_dropout_in_every_arm(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = (seen(corpus, tmp_path, recipe, monkeypatch) for recipe in ARMS)
    assert len(first.texts) == STEPS
    assert len(first.dropped) % STEPS == 0 < len(first.dropped)
    assert all(mask.any() and not mask.all() for mask in first.dropped)
    for other in others:
        assert other.weights.keys() == first.weights.keys()
        assert all(torch.equal(first.weights[n], w) for n, w in other.weights.items())
        assert all(map(torch.equal, first.texts, other.texts))
        assert len(other.dropped) == len(first.dropped)
        assert all(map(torch.equal, first.dropped, other.dropped))
        assert not any(map(torch.equal, first.masked, other.masked))
