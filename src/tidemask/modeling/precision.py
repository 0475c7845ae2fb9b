"""Which arithmetic a device is quick in: bfloat16 where it has instructions for it or float32."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from statistics import median

import torch
from transformers import PreTrainedConfig

from tidemask.errors import UserError
from tidemask.modeling.settings import Precision, PrecisionChoice

ONLY_FLOAT32 = ("big_bird", "deberta")
"""Architectures for which `auto` is float32, as they fail under autocast: DeBERTa's first version,
not its second and third, and BigBird on long sequences."""

_X86 = ("x86_64", "AMD64")
_CLEARLY_FASTER = 0.8
"""Largest share of the time in float32 at which a measured bfloat16 counts as faster."""
_PRODUCT, _TURNS = 256, 5
"""Side of the square matrices that are multiplied to measure a device, and how often."""


def usual_device() -> str:
    """The type of device that models run on here: `cuda` if there is one, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def resolved_precision(choice: PrecisionChoice, device_type: str, model_type: str) -> Precision:
    """The precision that a choice means on a device: `auto` is bf16 where that is quick.

    Args:
        choice: what was asked for.
        device_type: where the products run, `cpu` or `cuda`.
        model_type: the architecture, by transformers' name.
    """
    if choice != "auto":
        return choice
    is_able = model_type not in ONLY_FLOAT32
    return "bf16" if is_able and has_bf16(device_type) else "float32"


def fails_in_bf16(config: PreTrainedConfig, length: int) -> bool:
    """Whether a model fails under autocast on sequences of so many tokens.

    BigBird does where its attention is sparse, which transformers makes full for short sequences.
    """
    if config.model_type != "big_bird":
        return config.model_type in ONLY_FLOAT32
    blocks = 5 + 2 * int(config.num_random_blocks)
    return config.attention_type == "block_sparse" and length > blocks * int(config.block_size)


@cache
def has_bf16(device_type: str) -> bool:
    """Whether a type of device, `cpu` or `cuda`, multiplies in bfloat16 by its own instructions.

    On x86 they are AVX512-BF16 or AMX. Another CPU is measured.
    """
    if device_type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if platform.machine() in _X86:
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bf16_slowdown(device_type) < _CLEARLY_FASTER


@cache
def bf16_slowdown(device_type: str) -> float:
    """Time of a product of matrices in bfloat16 as a multiple of that in float32, measured here."""
    return _seconds(torch.bfloat16, device_type) / _seconds(torch.float32, device_type)


def _seconds(dtype: torch.dtype, device_type: str) -> float:
    """Median time of a product, after one that plans it."""
    matrix = torch.ones(_PRODUCT, _PRODUCT, dtype=dtype, device=device_type)
    found = []
    for _ in range(_TURNS + 1):
        started = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # waits for the device
        found.append(time.perf_counter() - started)
    return median(found[1:])


def emulation_note(setting: str, precision: PrecisionChoice, device_type: str) -> str | None:
    """A sentence for bf16 that the device emulates, with what that costs; else `None`.

    Args:
        setting: what asked for it, as a user writes it.
        precision: of the products.
        device_type: where they run, `cpu` or `cuda`.
    """
    if precision != "bf16" or has_bf16(device_type):
        return None
    slowdown = float(f"{bf16_slowdown(device_type):.2g}")  # a few products give no more digits
    name = "this GPU" if device_type == "cuda" else f"this CPU ({instruction_set()})"
    return (
        f"{setting}=bf16 is emulated: {name} has no instructions for it, and a product of matrices "
        f"takes about {slowdown:g} times as long as in float32. "
        f"{setting}=auto chooses what is quick."
    )


def check_precision(setting: str, precision: PrecisionChoice, device_type: str) -> None:
    """Refuse a precision that a device does not have at all, not even emulated.

    Raises:
        UserError: bf16 on such a GPU.
    """
    if precision == "bf16" and device_type == "cuda" and not torch.cuda.is_bf16_supported():
        raise UserError(
            f"no bf16 on this GPU: {setting}=bf16 and {torch.cuda.get_device_name()}. Set "
            f"{setting}=float32; a run that was begun in bf16 goes on where there is bf16."
        )


def instruction_set() -> str:
    """The instructions of the CPU that decide how quick products are, such as `AVX2`."""
    names = {
        "AVX512-BF16": torch.cpu._is_avx512_bf16_supported(),
        "AMX": torch.cpu._is_amx_tile_supported(),
    }
    capability = torch.backends.cpu.get_cpu_capability()
    return ", ".join([capability, *(name for name, is_there in names.items() if is_there)])


@contextmanager
def tf32_products(allowed: bool) -> Iterator[None]:
    """Whether a GPU multiplies float32 in TF32, whose factors have 11 bits; within the block alone.

    Training allows it, measurements do not. It changes nothing on a CPU.
    """
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.allow_tf32 = allowed  # the older name sets both; after the newer one, it cannot be read
    try:
        yield
    finally:
        matmul.allow_tf32 = before == "tf32"
        matmul.fp32_precision = before  # "none" follows what is set for all backends
