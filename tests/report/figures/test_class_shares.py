from __future__ import annotations

import json

import numpy as np
import pytest

from synthetic_runs import MakeRun, read_runs
from tidemask.report.figures.class_shares import MAX_POINTS, pooled


def test_pooled_shares_count_by_masked_tokens(make_run: MakeRun) -> None:
    path = make_run("run")
    windows = [(100, 0.2), (300, 0.6), (50, None)]
    total, lines = 0, []
    for number, (tokens, share) in enumerate(windows * MAX_POINTS, start=1):
        total += tokens
        lines.append({"step": number, "predicted_tokens": total, "class_share/NOUN": share})
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run,) = read_runs([path])
    steps, shares = pooled(run, ["class_share/NOUN", "class_share/VERB"])
    assert steps.tolist() == [3 * (group + 1) for group in range(MAX_POINTS)]
    assert shares[0] == pytest.approx((100 * 0.2 + 300 * 0.6) / 400)
    assert np.isnan(shares[1]).all()


def test_pooled_shares_of_few_windows_are_the_windows(make_run: MakeRun) -> None:
    (run,) = read_runs([make_run("run")])
    steps, shares = pooled(run, ["class_share/NOUN"])
    assert steps.tolist() == run.steps.tolist()
    assert shares[0] == pytest.approx(run.series("class_share/NOUN"))
