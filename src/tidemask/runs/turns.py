"""Calls of one process that take turns: they draw from the generators of torch, which all share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

_TURN = threading.RLock()  # a call within another is of its turn


def in_turn(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """The function, of which another thread's call waits for the one that goes on.

    It may compute gradients, whatever the thread that calls it is set to.
    """

    @wraps(function)
    def waiting(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        import torch  # takes a second and a half, which only a call has to take

        with _TURN, torch.inference_mode(mode=False), torch.enable_grad():
            return function(*args, **kwargs)

    return waiting
