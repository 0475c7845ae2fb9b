"""Cumulative loss per class: what the model has not yet learned.

Two sums per class, of losses and of counts, are decayed alike once per optimizer step; their
quotient is the cumulative loss. Two classes of equal difficulty therefore get equal losses however
different their frequencies. The state is on the CPU in float64: two numbers per class.

Dimension: `K` classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, get_args

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from tidemask.masking.weighting import Estimator
from tidemask.settings import check_at_least, check_integer, shown

_MIN_COUNT = 1e-300


class ClassLossState(TypedDict):
    """What a checkpoint holds; JSON keeps every bit of it."""

    class_names: list[str]
    loss_sum: list[float]
    count: list[float]


class ClassLoss:
    """Decayed sums of MLM loss and of predicted tokens per class.

    After each step, `S <- mu S + (1 - mu) loss` and `N <- mu N + (1 - mu) count` for every class,
    with `mu = 1 - 1 / horizon`; the cumulative loss is `S / N`.

    With the estimator `step_means` the cumulative loss is instead a decayed mean of each step's
    class mean that starts at 0 and moves only where the step has tokens of the class. It
    underrates rare classes for thousands of steps.

    Args:
        class_names: one per class, in the order of `token_class`.
        horizon_steps: memory in optimizer steps, at least 1.
        estimator: how losses are accumulated.

    Example:
        >>> import torch
        >>> class_loss = ClassLoss(["NOUN", "DET", "SYM"], horizon_steps=50)
        >>> class_loss.update(torch.tensor([6.0, 1.0, 0.0]), torch.tensor([2, 1, 0]), step=0)
        >>> class_loss.value().tolist()
        [3.0, 1.0, nan]

    References:
        Yang, Zhang, Zhao, "Learning Better Masking for Better Language Model Pre-training" (ACL
        2023), section 4.2. Deviation: losses and counts decay alike, where the authors' code
        averages per-step class means from an initial value of 0.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        *,
        horizon_steps: float,
        estimator: Estimator = "decayed_sums",
    ) -> None:
        if estimator not in get_args(Estimator):
            known = " or ".join(get_args(Estimator))
            raise ValueError(f"estimator={shown(estimator)}. Expected {known}.")
        self.class_names = check_class_names(class_names)
        self.horizon_steps = check_at_least("horizon_steps", horizon_steps, 1)
        self.estimator = estimator
        self._loss_sum = torch.zeros(len(self.class_names), dtype=torch.float64, device="cpu")
        self._count = torch.zeros(len(self.class_names), dtype=torch.float64, device="cpu")

    def update(self, loss_sum: Float[Tensor, "K"], count: Float[Tensor, "K"], *, step: int) -> None:
        """Take in one optimizer step of the global batch.

        A step without any selected token changes nothing.

        Args:
            loss_sum: summed cross-entropy of each class's selected tokens, nats, before any loss
                weight, over all micro-batches and ranks.
            count: number of those tokens.
            step: global step, for the message of an error.

        Raises:
            ValueError: a sum is not finite; the state is left as it was.
        """
        shape = tuple(self._count.shape)
        expected = {"loss_sum": (loss_sum, shape), "count": (count, shape)}
        loss_sum, count = finite_sums("class loss", expected, self.class_names, step)
        if count.sum() == 0:
            return
        decay = 1.0 - 1.0 / self.horizon_steps
        if self.estimator == "decayed_sums":
            self._loss_sum = decay * self._loss_sum + (1.0 - decay) * loss_sum
            self._count = decay * self._count + (1.0 - decay) * count
        else:
            mean = loss_sum / count.clamp(min=1.0)
            moved = decay * self._loss_sum + (1.0 - decay) * mean
            self._loss_sum = torch.where(count > 0, moved, self._loss_sum)
            self._count = torch.ones_like(self._count)

    def value(self) -> Float[Tensor, "K"]:
        """Cumulative loss per class, nats per token, float64 on the CPU; NaN where not yet seen.

        A class unseen for so long that its sums underflow counts as not yet seen. The estimator
        `step_means` begins at 0 for every class, seen or not, from the first step on.
        """
        return torch.where(self._count > _MIN_COUNT, self._loss_sum / self._count, torch.nan)

    def state_dict(self) -> ClassLossState:
        """The state as plain numbers."""
        return {
            "class_names": list(self.class_names),
            "loss_sum": self._loss_sum.tolist(),
            "count": self._count.tolist(),
        }

    def load_state_dict(self, state: ClassLossState) -> None:
        """Continue from a saved state.

        Raises:
            ValueError: the state was saved for other classes.
        """
        if list(state["class_names"]) != list(self.class_names):
            raise ValueError(
                f"class loss of other classes: {state['class_names']}. "
                f"Expected {list(self.class_names)}."
            )
        self._loss_sum = torch.tensor(state["loss_sum"], dtype=torch.float64, device="cpu")
        self._count = torch.tensor(state["count"], dtype=torch.float64, device="cpu")


def check_class_names(class_names: Sequence[str]) -> tuple[str, ...]:
    """Names of classes, all different.

    Raises:
        ValueError: one is no text, or there twice.
    """
    if isinstance(class_names, str) or not isinstance(class_names, Sequence):
        raise ValueError(f"class_names={shown(class_names)}. Expected a list of names.")
    for name in class_names:
        if not isinstance(name, str):
            raise ValueError(f"class_names: {shown(name)}. Expected a text for each class.")
    if len(set(class_names)) < len(class_names):
        twice = next(name for name in class_names if list(class_names).count(name) > 1)
        raise ValueError(f"class_names: {twice!r} is there twice. Expected different names.")
    return tuple(class_names)


def finite_sums(
    what: str,
    expected: Mapping[str, tuple[Tensor, tuple[int, ...]]],
    class_names: Sequence[str],
    step: int,
) -> list[Tensor]:
    """The sums of a step per class, float64 on the CPU.

    Args:
        what: the state that they are for, in messages.
        expected: each by its name, with its shape, whose last dimension is the classes.
        class_names: one per class.
        step: global step.

    Raises:
        ValueError: another shape; one that is not finite, or a count below 0.
    """
    sums = []
    finite = torch.ones(len(class_names), dtype=torch.bool, device="cpu")
    for name, (given, shape) in expected.items():
        if given.shape != shape:
            raise ValueError(
                f"{name} of shape {tuple(given.shape)}. Expected one per class, {shape}."
            )
        sums.append(given.detach().to("cpu", torch.float64))
        is_right = torch.isfinite(sums[-1]) & ((sums[-1] >= 0) | (name != "count"))
        finite &= is_right.reshape(-1, len(class_names)).all(0)
    if not bool(finite.all()):
        wrong = [n for n, ok in zip(class_names, finite.tolist(), strict=True) if not ok]
        raise ValueError(f"{what} not finite at step {step} for {', '.join(wrong)}.")
    return sums


def class_loss_sums(
    token_loss: Float[Tensor, "*shape"],
    labels: Int[Tensor, "*shape"],
    classes: Shaped[Tensor, "*shape"],
    *,
    num_classes: int,
) -> tuple[Float[Tensor, "K"], Float[Tensor, "K"]]:
    """Summed loss and number of predicted tokens of each class, float64.

    Args:
        token_loss: cross-entropy of each position, nats, before any weight; read where labels are
            not -100.
        labels: original ids, -100 where nothing is predicted.
        classes: `token_class` of the batch; or the labels themselves, where the vocabulary entries
            are the classes. Values of `num_classes` and above are not counted.
        num_classes: `K`.

    Example:
        >>> import torch
        >>> token_loss = torch.tensor([[1.0, 4.0, 2.0]])
        >>> labels, classes = torch.tensor([[7, -100, 9]]), torch.tensor([[0, 0, 1]])
        >>> loss_sum, count = class_loss_sums(token_loss, labels, classes, num_classes=2)
        >>> loss_sum.tolist(), count.tolist()
        ([1.0, 2.0], [1.0, 1.0])
    """
    check_integer("num_classes", num_classes, minimum=0)
    check_like_labels(labels, token_loss=token_loss, classes=classes)
    # One more class at the end takes what has none.
    predicted = labels >= 0
    index = classes[predicted].to(torch.int64).clamp(max=num_classes)
    losses = token_loss.detach()[predicted].double()
    total = torch.zeros(num_classes + 1, dtype=torch.float64, device=losses.device)
    loss_sum = total.index_add(0, index, losses)
    count = total.index_add(0, index, torch.ones_like(losses))
    return loss_sum[:num_classes], count[:num_classes]


def check_like_labels(labels: Tensor, **given: Any) -> None:
    """Refuse what is no tensor of the shape of the labels, by its name.

    Raises:
        ValueError: names the first.
    """
    for name, value in {"labels": labels, **given}.items():
        if not isinstance(value, Tensor) or value.shape != labels.shape:
            seen = shown(value) if not isinstance(value, Tensor) else tuple(value.shape)
            raise ValueError(f"{name}={seen}. Expected a tensor of the shape of the labels.")
