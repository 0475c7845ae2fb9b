"""A starting model that changes after the run was made: refused by name, and not measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM

from small_runs import started, trained
from tidemask.errors import UserError
from tidemask.evaluation.evaluate import evaluate
from tidemask.runs.train import train
from warm_starts import further, saved


@pytest.mark.slow
def test_warm_start_refuses_other_weights_than_the_run_was_made_for(
    corpus: Path, tmp_path: Path
) -> None:
    directory = saved(corpus, tmp_path / "start")
    run = started(corpus, tmp_path / "run", "bert", *further(directory))
    model = AutoModelForMaskedLM.from_pretrained(directory)
    with torch.no_grad():
        model.bert.embeddings.LayerNorm.bias[0] += 1e-6
    model.save_pretrained(directory)
    with pytest.raises(UserError, match=r"starting model changed: .* Restore it"):
        train(run)
    other = started(corpus, tmp_path / "other", "bert", *further(directory))
    model.config.hidden_act = "relu"
    model.config.save_pretrained(directory)
    with pytest.raises(UserError, match=r"starting model changed: .* Restore it"):
        train(other)
    shutil.rmtree(directory)
    with pytest.raises(UserError, match="no such directory"):
        train(run)


@pytest.mark.slow
def test_warm_start_that_changed_is_not_measured_as_the_start_of_the_run(
    corpus: Path, tmp_path: Path
) -> None:
    directory = saved(corpus, tmp_path / "start")
    run = trained(corpus, tmp_path / "run", "bert", *further(directory))

    def measured(checkpoints: str) -> list[str]:
        found = evaluate(
            run.root, tasks="held-out", checkpoints=checkpoints, with_random=False, progress=False
        )
        assert not any(one.problem for one in found)
        return [one.checkpoint for one in found]

    assert measured("start") == ["start"]
    model = AutoModelForMaskedLM.from_pretrained(directory)
    with torch.no_grad():
        model.bert.embeddings.LayerNorm.bias[0] += 1e-6
    model.save_pretrained(directory)
    for checkpoints in ("start", "start,final", "all"):
        with pytest.raises(UserError, match=r"starting model changed: .* Restore it"):
            measured(checkpoints)
    assert measured("last") == ["final"]
