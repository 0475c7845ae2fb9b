"""The lines that `metrics.jsonl` gets of a training, without the training."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tidemask.modeling.training_flops import TrainingFlops
from tidemask.run_record import RunDirectory
from tidemask.training.metrics_log import MetricsLog, PeriodicEvaluation


@pytest.mark.parametrize("flops", [TrainingFlops(3, 2), None], ids=["known", "unknown"])
def test_metrics_log_has_no_flops_of_a_model_whose_formula_is_unknown(
    tmp_path: Path, flops: TrainingFlops | None
) -> None:
    nothing = cast(Any, None)
    log = MetricsLog(
        RunDirectory(tmp_path),
        nothing,
        evaluation=PeriodicEvaluation(at_start=lambda _: {"held_out/loss": 4.5}),
        max_steps=1,
        flops=flops,
        measured_model=lambda: nothing,
        ratio_loop=None,
        on_step_end=lambda *_: None,
        on_log=lambda _: None,
        on_note=lambda _: None,
        check_run=lambda: None,
    )
    log.on_train_begin(None, SimpleNamespace(global_step=0), None)
    line = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert line["held_out/loss"] == 4.5
    assert line.get("flops") == (None if flops is None else 0.0)
