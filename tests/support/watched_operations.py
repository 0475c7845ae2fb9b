"""What PyTorch is asked to do: numbers that the host reads of tensors, and masks of attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_READS = ("_local_scalar_dense", "is_nonzero", "item", "nonzero", "masked_select", "unique")
"""Operations after which the host waits for a GPU: it needs a number, or the size of the result."""


class HostReads(TorchDispatchMode):
    """Within it, the names of the operations for which a host would wait for its GPU.

    A CPU makes the same operations, so the law of the GPU is tested without one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = func.overloadpacket.__name__
        indices = args[1] if name in ("index", "index_put", "index_put_") else ()
        if name in _READS or any(i is not None and i.dtype == torch.bool for i in indices):
            self.names.append(name)
        return func(*args, **(kwargs or {}))


class AttentionMasks(TorchFunctionMode):
    """Within it, the mask that each call of PyTorch's attention was given, `None` among them."""

    def __init__(self) -> None:
        super().__init__()
        self.masks: list[Tensor | None] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.nn.functional.scaled_dot_product_attention:
            self.masks.append(args[3] if len(args) > 3 else kwargs.get("attn_mask"))
        return func(*args, **kwargs)
