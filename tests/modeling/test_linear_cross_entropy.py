"""The fused projection and cross-entropy against the two operations that torch has for it."""

from __future__ import annotations

import inspect

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from cases import random_examples
from tidemask.errors import UserError
from tidemask.masking.batch import IGNORE_INDEX
from tidemask.modeling.linear_cross_entropy import (
    check_cut_cross_entropy,
    cross_entropy_and_choice,
    cut_cross_entropy,
    linear_cross_entropy,
    linear_cross_entropy_and_choice,
)

Parts = tuple[Tensor, Tensor, Tensor | None, Tensor]


def parts(
    rows: int, hidden: int, vocabulary: int, *, bias: bool, seed: int, kind: torch.dtype
) -> Parts:
    """Random features, weights, bias and targets, some of them ignored."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=kind).requires_grad_()

    targets = torch.randint(0, vocabulary, (rows,), generator=generator)
    targets[::5] = IGNORE_INDEX
    return (
        normal(rows, hidden),
        normal(vocabulary, hidden),
        normal(vocabulary) if bias else None,
        targets,
    )


def reference(hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
    logits = functional.linear(hidden, weight, bias)
    return functional.cross_entropy(logits.to(torch.float64), targets, reduction="none")


def with_gradients(compute, made: Parts, factors: Tensor) -> list[Tensor]:
    leaves = [t.detach().clone().requires_grad_() for t in made[:3] if t is not None]
    loss = compute(leaves[0], leaves[1], leaves[2] if len(leaves) > 2 else None, made[3])
    (loss * factors).sum().backward()
    return [loss.detach(), *(leaf.grad for leaf in leaves)]


@given(
    st.integers(1, 70),
    st.integers(1, 9),
    st.integers(1, 40),
    st.booleans(),
    st.integers(0, 2**31),
)
@random_examples(60)
def test_loss_and_gradients_equal_the_two_operations(rows, hidden, vocabulary, bias, seed):
    made = parts(rows, hidden, vocabulary, bias=bias, seed=seed, kind=torch.float64)
    factors = torch.rand(rows, dtype=torch.float64) - 0.3
    for ours, theirs in zip(
        with_gradients(linear_cross_entropy, made, factors),
        with_gradients(reference, made, factors),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@given(st.integers(1, 70), st.integers(1, 40), st.booleans(), st.integers(0, 2**31))
@random_examples(40)
def test_choice_is_whether_the_target_has_the_largest_logit(rows, vocabulary, bias, seed):
    made = parts(rows, 5, vocabulary, bias=bias, seed=seed, kind=torch.float64)
    logits = functional.linear(*made[:3])
    made[3][::3] = logits.argmax(1)[::3]
    expected = logits.argmax(1) == made[3]
    loss, choice = linear_cross_entropy_and_choice(*made)
    assert torch.equal(loss, linear_cross_entropy(*made))
    assert torch.equal(choice, expected)
    assert not choice.requires_grad
    assert torch.equal(cross_entropy_and_choice(logits, made[3])[1], expected)


def test_choice_counts_each_of_equal_logits_and_no_ignored_row():
    hidden, weight = torch.ones(3, 1), torch.tensor([[1.0], [2.0], [2.0]])
    targets = torch.tensor([0, 2, IGNORE_INDEX])
    choice = linear_cross_entropy_and_choice(hidden, weight, None, targets)[1]
    assert choice.tolist() == [False, True, False]


def test_float32_at_the_size_of_a_vocabulary_in_several_blocks():
    made = parts(100, 16, 30_522, bias=True, seed=1, kind=torch.float32)
    factors = torch.full((100,), 1 / 80)
    ours = with_gradients(linear_cross_entropy, made, factors)
    theirs = with_gradients(reference, made, factors)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.dtype == torch.float32
        assert (mine - other).norm() <= 1e-5 * other.norm()


def test_loss_of_a_target_whose_probability_is_zero_in_float32():
    hidden = torch.tensor([[1.0]])
    weight = torch.tensor([[0.0], [500.0], [-3e4]])
    loss = linear_cross_entropy(hidden, weight, None, torch.tensor([2]))
    assert loss.tolist() == [30_500.0]


def test_ignored_rows_have_no_loss_and_no_gradient():
    hidden, weight, bias, _ = parts(4, 3, 5, bias=True, seed=0, kind=torch.float32)
    loss = linear_cross_entropy(hidden, weight, bias, torch.full((4,), IGNORE_INDEX))
    assert loss.tolist() == [0.0] * 4
    loss.sum().backward()
    assert not hidden.grad.any()
    assert not weight.grad.any()
    assert not bias.grad.any()


def test_backward_twice_gives_the_same():
    """What is kept for the backward pass is only read."""
    made = parts(12, 4, 9, bias=True, seed=3, kind=torch.float32)
    loss = linear_cross_entropy(*made).sum()
    loss.backward(retain_graph=True)
    once = [t.grad.clone() for t in made[:3]]
    loss.backward()
    assert all(torch.equal(t.grad, 2 * first) for t, first in zip(made[:3], once, strict=True))


def learned(kind: str) -> Parts:
    """Rows as a model sees them: uniform targets, frequent ones, or ones that it all but knows."""
    generator = torch.Generator().manual_seed(5)
    hidden, weight, bias, targets = parts(400, 64, 500, bias=True, seed=5, kind=torch.float32)
    if kind == "uniform":
        return hidden, weight, bias, targets
    shares = 1.0 / torch.arange(1, 501)
    targets = torch.multinomial(shares, 400, replacement=True, generator=generator)
    with torch.no_grad():  # features point to their targets, the more so where they are known
        strength = {"frequent": 0.1, "certain": 0.25}[kind]
        hidden.copy_(0.1 * hidden + strength * weight[targets])
    return hidden, weight, bias, targets


@pytest.mark.parametrize("kind", ["uniform", "frequent", "certain"])
def test_under_autocast_as_near_to_exact_as_the_two_operations(kind):
    """Errors of bfloat16 products against float64: ours at most half as large again as theirs."""
    made = learned(kind)
    factors = torch.full((400,), 1 / 400)
    wide = tuple(t.detach().double() if t.is_floating_point() else t for t in made)
    exact = with_gradients(reference, wide, factors.double())
    with torch.autocast("cpu", torch.bfloat16):
        ours = with_gradients(linear_cross_entropy, made, factors)
        theirs = with_gradients(reference, made, factors)
    for mine, other, right in zip(ours, theirs, exact, strict=True):
        assert (mine - right).norm() <= 1.5 * (other - right).norm()
        assert mine.dtype == torch.float32
    for mine, other, right in zip(ours[1:], theirs[1:], exact[1:], strict=True):
        worst = right.abs().flatten(1).sum(1).argmax() if right.dim() > 1 else right.abs().argmax()
        error, theirs_there = (mine - right)[worst].norm(), (other - right)[worst].norm()
        assert error <= 2 * theirs_there + 1e-3 * right[worst].norm()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_compiled_it_is_the_same():
    made = parts(128, 8, 50, bias=True, seed=2, kind=torch.float32)
    factors = torch.ones(128)
    unchecked = inspect.unwrap(linear_cross_entropy)  # checks of shapes do not compile
    compiled = torch.compile(unchecked, dynamic=True)
    for mine, other in zip(
        with_gradients(compiled, made, factors),
        with_gradients(linear_cross_entropy, made, factors),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize("bias", [True, False])
def test_cut_cross_entropy_takes_the_bias_along(bias):
    """By that package's reference, since its kernels need a GPU."""
    pytest.importorskip("cut_cross_entropy", reason="an optional extra", exc_type=ImportError)
    made = parts(60, 20, 300, bias=bias, seed=4, kind=torch.float32)
    factors = torch.rand(60)

    def compute(*tensors):
        return cut_cross_entropy(*tensors, kernel="torch_compile")

    for mine, other in zip(
        with_gradients(compute, made, factors),
        with_gradients(linear_cross_entropy, made, factors),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cut_cross_entropy_is_refused_where_it_cannot_run():
    with pytest.raises(UserError, match="cut_cross_entropy needs a CUDA GPU"):
        check_cut_cross_entropy()
