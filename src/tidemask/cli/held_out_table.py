"""Results as text: the tables that commands print at their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemask.cli.tables import print_table
from tidemask.run_record import (
    FINAL,
    HELD_OUT_PERCENTS,
    HELD_OUT_TASK,
    START,
    UNIGRAM_ENTROPY,
    RunDirectory,
    held_out_loss,
)


def show_evaluations(results: Sequence[tuple[str, Mapping[str, float]]], *, of: str = "") -> None:
    """Print the held-out losses of checkpoints, `of` which run, with the unigram entropy."""
    names = [held_out_loss(percent) for percent in HELD_OUT_PERCENTS]
    columns = ["checkpoint", *(f"loss at {p} %" for p in HELD_OUT_PERCENTS), "entropy"]
    rows = [
        [
            name,
            *(f"{m[k]:.3f} ± {m[k + '_standard_error']:.3f}" if k in m else "-" for k in names),
            f"{m[UNIGRAM_ENTROPY]:.3f}" if UNIGRAM_ENTROPY in m else "-",
        ]
        for name, m in results
    ]
    title = "Held-out loss, nats per masked token (± standard error)"
    print_table(columns, rows, title=f"{of}: {title}" if of else title)


def show_start_and_final(run: RunDirectory) -> None:
    """Print the held-out losses after training, beside those before it if they were measured."""
    found = {
        result["checkpoint"]: result["metrics"]
        for result in run.read_evaluations()
        if result.get("task") == HELD_OUT_TASK
    }
    if FINAL not in found:
        return
    names = [held_out_loss(percent) for percent in HELD_OUT_PERCENTS]
    rows = [
        [name, *(f"{found[name][k]:.3f} ± {found[name][k + '_standard_error']:.3f}" for k in names)]
        for name in (START, FINAL)
        if name in found
    ]
    if START in found:
        differences = [found[FINAL][k] - found[START][k] for k in names]
        rows.append(["difference", *(f"{difference:+.3f}" for difference in differences)])
    columns = ["model", *(f"loss at {percent} %" for percent in HELD_OUT_PERCENTS)]
    print_table(columns, rows, title="Held-out loss, nats per masked token (± standard error)")
