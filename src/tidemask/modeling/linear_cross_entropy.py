"""The vocabulary projection and its cross-entropy as one operation that keeps one matrix.

`cross_entropy(linear(hidden))` makes four matrices of the size of the logits: these, their
log-softmax, and the gradient of each. Where the vocabulary is large that is most of the memory of a
step, and on a CPU, where such blocks are mapped in again each time, much of its time. Here the
derivative takes the place of the logits, a block of rows at a time while they are in the cache, and
the gradients are products with it.

torch 2.13 has `torch.nn.functional.linear_cross_entropy`, whose chunks hold less memory still. With
`reduction="none"`, which class losses need, it computes the logits again in the backward pass: on a
CPU it took six times as long (1024 rows, 16384 entries). It replaces `_LinearCrossEntropy` when it
is no slower and 2.13 is the oldest release that we support.

Dimensions: `S` rows, `H` hidden size, `V` vocabulary.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from tidemask.errors import UserError
from tidemask.masking.batch import IGNORE_INDEX

_BLOCK_BYTES = {"cpu": 2 << 20}
"""Logits that are turned into their softmax at once, float32; on a CPU they stay in its cache."""
_BLOCK_BYTES_ELSEWHERE = 1 << 28
_CUT_MULTIPLE = 64
"""Features are filled up to a multiple of this, as the kernels want it."""


def linear_cross_entropy(
    hidden: Float[Tensor, "S H"],
    weight: Float[Tensor, "V H"],
    bias: Float[Tensor, "V"] | None,
    targets: Int[Tensor, "S"],
) -> Float[Tensor, "S"]:
    """Cross-entropy of each row's projection with its target, nats, float32 or wider.

    `-log softmax(weight h + bias)[target]`, and 0 with no gradient where the target is
    `IGNORE_INDEX`: `cross_entropy(linear(hidden, weight, bias).float(), targets)`. Under
    autocast the products run in its type and the softmax in float32, as there. In a graph that
    `torch.compile` makes for a GPU it is that expression, which the compiler fuses; for a CPU,
    where its code is the slower one, the graph breaks here.

    Args:
        hidden: features of the rows to predict.
        weight: output embeddings.
        bias: of each vocabulary entry; `None` for none.
        targets: vocabulary ids, int64.
    """
    return _loss_and_choice(hidden, weight, bias, targets)[0]


def linear_cross_entropy_and_choice(
    hidden: Float[Tensor, "S H"],
    weight: Float[Tensor, "V H"],
    bias: Float[Tensor, "V"] | None,
    targets: Int[Tensor, "S"],
) -> tuple[Float[Tensor, "S"], Bool[Tensor, "S"]]:
    """Cross-entropies as `linear_cross_entropy`, and whether each target is the first choice.

    It is where no entry's logit is larger: one comparison, as the largest logit is known anyway. Of
    equal logits, which narrow types have more often, each counts as the first choice.
    """
    return _loss_and_choice(hidden, weight, bias, targets)


def _loss_and_choice(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor
) -> tuple[Tensor, Tensor]:
    if torch.compiler.is_compiling() and hidden.device.type != "cpu":
        return cross_entropy_and_choice(functional.linear(hidden, weight, bias), targets)
    loss, choice = _fused(*_in_type_of_autocast(hidden, weight), bias, targets)
    return loss, choice


def cross_entropy_and_choice(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The same from logits [S, V], with torch's own operations."""
    logits = logits.to(_wide(logits))
    loss = functional.cross_entropy(logits, targets, reduction="none")
    target = logits.detach().gather(1, targets.clamp(min=0)[:, None]).squeeze(1)
    return loss, (target >= logits.detach().amax(1)) & (targets != IGNORE_INDEX)


def _in_type_of_autocast(hidden: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    device = hidden.device.type
    if not torch.is_autocast_enabled(device):
        return hidden, weight
    kind = torch.get_autocast_dtype(device)
    return hidden.to(kind), weight.to(kind)


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _fused(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor
) -> tuple[Tensor, Tensor]:
    loss, choice = _LinearCrossEntropy.apply(hidden, weight, bias, targets)  # type: ignore[no-untyped-call]
    return loss, choice


class _LinearCrossEntropy(torch.autograd.Function):
    """Keeps `D = P - 1`, the softmax less one at the target: the gradient of a loss by its logits.

    With `g` the gradient of each loss, which scales the smaller matrices so that `D` is only read:
    `d hidden = g (D weight)`, `d weight = D' (g hidden)`, `d bias = D' g`. The one is taken off in
    float32, before `D` is rounded to a narrower type: where the target is all but certain, `P`
    rounds to 1 and nothing would be left.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        with torch.autocast(hidden.device.type, enabled=False):
            logits = hidden @ weight.t()
        kept = targets != IGNORE_INDEX
        chosen = targets.clamp(min=0)[:, None]
        loss = torch.empty(len(targets), dtype=_wide(hidden), device=hidden.device)
        choice = torch.empty_like(kept)
        limit = _BLOCK_BYTES.get(hidden.device.type, _BLOCK_BYTES_ELSEWHERE)
        rows = max(1, limit // (4 * len(weight)))
        for begin in range(0, len(targets), rows):
            block = slice(begin, begin + rows)
            loss[block], choice[block] = _differentiate_(logits[block], bias, chosen[block])
        ctx.has_bias = bias is not None
        ctx.save_for_backward(hidden, weight, logits, kept)
        choice &= kept
        ctx.mark_non_differentiable(choice)
        return loss.masked_fill_(~kept, 0.0), choice

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        # The chain rule through `logits = hidden weight' + bias`, with the gradient of the logits
        # `g D` never made: row factors `g` commute with the products, so they scale [S, H].
        hidden, weight, derivative, kept = ctx.saved_tensors
        kind = hidden.dtype
        scale = gradients[0].masked_fill(~kept, 0.0)
        column = scale[:, None]
        with torch.autocast(hidden.device.type, enabled=False):
            of_hidden = ((derivative @ weight) * column).to(kind)
            of_weight = derivative.t() @ (hidden * column).to(kind)
            of_bias = None
            if ctx.has_bias:
                # `g` itself would be rounded to a narrower type here. Divided by its largest entry,
                # equal factors become 1, which no type rounds.
                unit = functional.pad(
                    scale.abs(), (0, 1), value=torch.finfo(scale.dtype).tiny
                ).amax()
                relative = (scale / unit).to(kind)
                of_bias = (relative @ derivative).to(scale.dtype).mul_(unit)
        return of_hidden, of_weight, of_bias, None


def _wide(tensor: Tensor) -> torch.dtype:
    """Its floating-point type, at least float32."""
    return torch.promote_types(tensor.dtype, torch.float32)


def _differentiate_(logits: Tensor, bias: Tensor | None, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Replace the logits of some rows by `P - 1`; return their losses and first choices [rows].

    With `m` the largest logit of a row and `q` the largest probability, which is that logit's, the
    logarithm of the row's normaliser is `m - log q`. It is exact where the target's own probability
    is too small for its type.
    """
    values = logits.to(_wide(logits))  # the same tensor if it has that type
    if bias is not None:
        values.add_(bias)
    target = values.gather(1, chosen)
    largest = values.amax(1, keepdim=True)
    softmax = torch.softmax(values, 1, out=values)
    loss = largest - softmax.amax(1, keepdim=True).log() - target
    softmax.scatter_add_(1, chosen, softmax.new_full((), -1.0).expand_as(chosen))
    if softmax is not logits:
        logits.copy_(softmax)
    return loss.squeeze(1), (target >= largest).squeeze(1)


def cut_cross_entropy(
    hidden: Float[Tensor, "S H"],
    weight: Float[Tensor, "V H"],
    bias: Float[Tensor, "V"] | None,
    targets: Int[Tensor, "S"],
    *,
    kernel: str = "cce",
) -> Float[Tensor, "S"]:
    """Cross-entropies as `linear_cross_entropy`, by the package cut-cross-entropy.

    Its kernels never hold whole rows of logits; they are for GPUs, in the 16-bit type of autocast
    (Wijmans et al. 2025, arXiv 2411.09009). They take no bias, so it becomes the last column of the
    weights, and the features end in a 1. Gradients are not filtered.

    Arguments are those of `linear_cross_entropy`, and the `kernel`: `cce`, or `torch_compile` for
    that package's reference, which runs on a CPU.
    """
    from cut_cross_entropy import linear_cross_entropy as without_logits

    hidden, weight = _in_type_of_autocast(hidden, weight)
    if bias is not None:
        filling = -(hidden.shape[1] + 1) % _CUT_MULTIPLE
        weight = functional.pad(
            torch.cat([weight, bias[:, None].to(weight.dtype)], 1), (0, filling)
        )
        hidden = functional.pad(functional.pad(hidden, (0, 1), value=1.0), (0, filling))
    loss: Tensor = without_logits(
        hidden,
        weight,
        targets,
        ignore_index=IGNORE_INDEX,
        reduction="none",
        filter_eps=None,
        impl=kernel,
    )
    return loss.float()


def check_cut_cross_entropy() -> None:
    """Refuse that package's kernels where they cannot run.

    Raises:
        UserError: there is no GPU, or the package is not installed.
    """
    if not torch.cuda.is_available():
        raise UserError(
            "training.head=cut_cross_entropy needs a CUDA GPU; there is none. Use fused."
        )
    if find_spec("cut_cross_entropy") is None:
        raise UserError(
            "training.head=cut_cross_entropy needs the package cut-cross-entropy. "
            "Install it with pip install 'tidemask[cce]', or use fused."
        )
