"""On a CUDA device: what masking takes there, beside a training step of BERT-base.

The batch lies on the device. Each policy is called under the debug mode that refuses any wait of
the host for the device. Masking is timed on the device itself, its kernels queued behind a pause,
so that the time to launch them, which a busy device hides, is not counted; that time is kept too.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.machine import conditions
from benchmarks.masking.data import MaskingData, masking_data
from benchmarks.masking.policies import FIRST_STEP, MAX_STEPS, Policy, Prepared, policies
from benchmarks.timing import Timing
from tidemask import MaskedBatch, StepKey
from tidemask.modeling.building import build_model
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.modeling.settings import ModelSettings

SHAPES = ((256, 512), (64, 128))
POLICIES = (
    "token, uniform, expected",
    "word, uniform, expected",
    "word, class loss, expected",
    "word, class loss, fixed",
    "word, frequency, expected",
    "span, uniform, expected",
    "token, uniform, masked diffusion",
)
_PAUSE_CYCLES = 20_000_000
"""About 10 ms of an idle device: longer than launching the kernels of one masking."""

_Masking = Callable[[int], MaskedBatch]


def run(*, quick: bool = False) -> dict[str, Any]:
    """Rows of each policy at each shape, with what they were measured on.

    Raises:
        RuntimeError: a policy waits for the device.
    """
    calls, steps = (20, 8) if quick else (100, 30)
    torch.backends.cuda.matmul.allow_tf32 = True
    rows: list[dict[str, Any]] = []
    for shape in SHAPES:
        data = masking_data(*shape)
        maskings = {p.name: _masking(p, data) for p in policies() if p.name in POLICIES}
        for name, masking in maskings.items():
            refuse_waiting(name, masking)
        on_device = {
            name: device_seconds(masking, calls=calls) for name, masking in maskings.items()
        }
        launching = {name: host_seconds(masking, calls=calls) for name, masking in maskings.items()}
        step = TrainingStep(data)
        for name, masking in maskings.items():
            without, within = step.seconds(masking, steps=steps)
            rows.append(
                {
                    "group": "tidemask",
                    "policy": name,
                    "shape": f"{shape[0]}x{shape[1]}",
                    "mode": "alone",
                    **on_device[name].row(data.num_tokens),
                    "microseconds": 1e6 * on_device[name].median,
                    "host_microseconds": 1e6 * launching[name],
                    "step_milliseconds": 1e3 * without,
                    "share_of_step": on_device[name].median / without,
                    "step_with_masking_milliseconds": 1e3 * within,
                }
            )
        del step
        gc.collect()
        torch.cuda.empty_cache()
    return {**conditions(), "device": torch.cuda.get_device_name(), "rows": rows}


def _masking(policy: Policy, data: MaskingData) -> _Masking:
    prepared = Prepared(policy, data)
    masker, class_loss = prepared.masker(), prepared.class_loss()
    batch = data.batch.to("cuda")
    torch.cuda.synchronize()

    def mask(step: int) -> MaskedBatch:
        key = StepKey(seed=1, step=FIRST_STEP + step)
        return masker(batch, progress=FIRST_STEP / MAX_STEPS, key=key, class_loss=class_loss)

    return mask


@contextmanager
def _waiting_refused() -> Iterator[None]:
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


def refuse_waiting(name: str, masking: _Masking) -> None:
    """Mask at steps that were not seen before, with every wait an error.

    Raises:
        RuntimeError: the host waited for the device; the message names the policy.
    """
    masking(0)  # tables move to the device once, which may wait
    torch.cuda.synchronize()
    try:
        with _waiting_refused():
            for step in range(1, 4):
                masking(step)
    except RuntimeError as error:
        raise RuntimeError(f"{name}: the host waits for the device: {error}") from error
    torch.cuda.synchronize()


def device_seconds(masking: _Masking, *, calls: int) -> Timing:
    """Seconds on the device, from the first kernel to the last."""
    begun = [torch.cuda.Event(enable_timing=True) for _ in range(calls)]
    ended = [torch.cuda.Event(enable_timing=True) for _ in range(calls)]
    for step in range(calls):
        torch.cuda.synchronize()
        torch.cuda._sleep(_PAUSE_CYCLES)
        begun[step].record()
        masking(10 + step)
        ended[step].record()
    torch.cuda.synchronize()
    return Timing.of([b.elapsed_time(e) / 1e3 for b, e in zip(begun, ended, strict=True)])


def host_seconds(masking: _Masking, *, calls: int) -> float:
    """Median of the host's seconds to launch one masking, while the device is idle."""
    times = []
    for step in range(calls):
        torch.cuda.synchronize()
        start = time.perf_counter()
        masking(1000 + step)
        times.append(time.perf_counter() - start)
    torch.cuda.synchronize()
    return median(times)


class TrainingStep:
    """A step of BERT-base with random weights: forward, backward and AdamW, bfloat16 autocast.

    Args:
        data: whose vocabulary and length the model has.
    """

    def __init__(self, data: MaskingData) -> None:
        language = data.language
        model = build_model(
            ModelSettings(size="bert-base"),
            tokenizer=language.tokenizer,
            vocab_size=-(-language.vocabulary.size // 64) * 64,
            sequence_length=data.shape[1],
            seed=0,
        )
        self.model = SelectedPositionsLM(model).to("cuda").train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=True)

    def __call__(self, masked: MaskedBatch) -> Tensor:
        """One step on a masked batch; returns the loss on the device."""
        positions = masked.selected.flatten().nonzero().squeeze(1)
        targets = masked.labels.flatten()[positions]
        with torch.autocast("cuda", dtype=torch.bfloat16):
            losses = self.model(masked.input_ids, positions, targets)
        loss: Tensor = losses.mean()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def seconds(self, masking: _Masking, *, steps: int) -> tuple[float, float]:
        """Median seconds of a step on a batch masked before, and of one that masks it itself.

        The two take turns; each ends with a wait for the device.
        """
        masked = masking(0)
        for _ in range(3):
            self(masked)
        without: list[float] = []
        within: list[float] = []
        for number in range(steps):
            for times, source in ((without, None), (within, masking)):
                torch.cuda.synchronize()
                start = time.perf_counter()
                self(masked if source is None else source(2000 + number))
                torch.cuda.synchronize()
                times.append(time.perf_counter() - start)
        return median(without), median(within)
