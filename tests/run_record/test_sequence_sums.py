"""Differences of two models sequence by sequence, against means by hand; what is not paired."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tidemask.errors import UserError
from tidemask.run_record import HELD_OUT_CELLS, SequenceSums

CELLS = tuple(cell.loss for cell in HELD_OUT_CELLS)
COUNTS = np.arange(18, dtype=np.int32).reshape(6, 3)
ROWS = np.array([0, 4, 9])


def _sums(seed: int, counts: np.ndarray = COUNTS, rows: np.ndarray = ROWS) -> SequenceSums:
    losses = np.random.default_rng(seed).normal(4.0, 0.5, counts.shape)
    sums = (losses * counts).astype(np.float32)
    return SequenceSums(losses=CELLS, rows=rows, sums=sums, counts=counts)


@pytest.mark.parametrize("loss", [CELLS[2], "held_out/loss"])
def test_sequence_sums_difference_is_that_of_the_losses_paired(loss: str) -> None:
    one, two = _sums(1), _sums(2)
    places = [2] if loss == CELLS[2] else range(6)
    by_hand = np.mean(
        [3 * (two.sums[i].astype(float) - one.sums[i]) / COUNTS[i].sum() for i in places], axis=0
    )
    found = two.difference(one, loss)
    assert found == pytest.approx(by_hand)
    assert found.mean() == pytest.approx(two.mean(loss) - one.mean(loss))


def test_sequence_sums_of_other_tokens_are_not_paired() -> None:
    counts = COUNTS.copy()
    counts[3, 0] += 1
    others = [_sums(2, counts), _sums(2, rows=np.array([0, 4, 8])),
              _sums(2, COUNTS[:, :2], ROWS[:2])]  # fmt: skip
    for other in others:
        with pytest.raises(
            UserError, match=r"^not the same tokens: held_out/loss is of 153 tokens"
        ):
            _sums(1).difference(other, "held_out/loss")
    assert others[0].difference(_sums(1), CELLS[0]).shape == (3,)


def test_sequence_sums_know_which_losses_they_have() -> None:
    some = dataclasses.replace(
        _sums(1), losses=CELLS[:5], sums=np.ones((5, 3), np.float32), counts=COUNTS[:5]
    )
    for loss in ("held_out/loss", CELLS[5]):
        with pytest.raises(ValueError, match=rf"^loss='{CELLS[5]}'\. Expected one of {CELLS[0]}, "):
            _sums(1).difference(some, loss)
    with pytest.raises(ValueError, match="has no token: none was masked in these sequences"):
        _sums(1, np.zeros_like(COUNTS)).mean(CELLS[0])


@pytest.mark.parametrize("name", ["rows", "sums", "counts"])
def test_sequence_sums_of_another_shape_or_type_are_refused_by_name(name: str) -> None:
    arrays = _sums(1).arrays()
    assert SequenceSums.from_arrays(arrays).mean(CELLS[0]) == _sums(1).mean(CELLS[0])
    number, none, texts = np.array(3), np.array([]), np.full(arrays[name].shape, "x")
    for wrong in (number, none, texts, arrays[name][None]):
        with pytest.raises(ValueError, match=rf"(^{name} |^sums ).*\. Expected "):
            SequenceSums.from_arrays({**arrays, name: wrong})
    del arrays[name]
    with pytest.raises(ValueError, match=f"no array {name}"):
        SequenceSums.from_arrays(arrays)
