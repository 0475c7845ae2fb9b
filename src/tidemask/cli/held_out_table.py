"""The tables of held-out losses that commands print at their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemask.cli.tables import print_table
from tidemask.evaluation_files import read_metrics_of
from tidemask.run_record import (
    FINAL,
    HELD_OUT_PERCENTS,
    HELD_OUT_TASK,
    START,
    UNIGRAM_ENTROPY,
    RunDirectory,
    held_out_loss,
)

_NAMES = [held_out_loss(percent) for percent in HELD_OUT_PERCENTS]
_HEADINGS = [f"loss at {percent} %" for percent in HELD_OUT_PERCENTS]
_TITLE = "Held-out loss, nats per masked token (± standard error)"


def show_evaluations(results: Sequence[tuple[str, Mapping[str, float]]], *, of: str = "") -> None:
    """Print the held-out losses of checkpoints, `of` which run, with the unigram entropy."""
    rows = []
    for checkpoint, metrics in results:
        entropy = f"{metrics[UNIGRAM_ENTROPY]:.3f}" if UNIGRAM_ENTROPY in metrics else "-"
        rows.append([checkpoint, *_losses(metrics), entropy])
    title = f"{of}: {_TITLE}" if of else _TITLE
    print_table(["checkpoint", *_HEADINGS, "entropy"], rows, title=title)


def show_start_and_final(run: RunDirectory) -> None:
    """Print the held-out losses after training, beside those before it if they were measured."""
    start, final = (read_metrics_of(run, HELD_OUT_TASK, name) for name in (START, FINAL))
    if final is None:
        return
    rows = [] if start is None else [[START, *_losses(start)]]
    rows.append([FINAL, *_losses(final)])
    if start is not None:
        differences = [
            f"{final[name] - start[name]:+.3f}" if name in final and name in start else "-"
            for name in _NAMES
        ]
        rows.append(["difference", *differences])
    print_table(["model", *_HEADINGS], rows, title=_TITLE)


def _losses(metrics: Mapping[str, float]) -> list[str]:
    return [_loss(metrics, name) for name in _NAMES]


def _loss(metrics: Mapping[str, float], name: str) -> str:
    if name not in metrics:
        return "-"
    error = metrics.get(f"{name}_standard_error")
    return f"{metrics[name]:.3f}" + ("" if error is None else f" ± {error:.3f}")
