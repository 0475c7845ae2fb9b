"""The figures of the policies: they are made of runs by one command, and say what is in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.policies import figures
from benchmarks.policies.charts import FIGURES, in_words
from benchmarks.policies.masked_rows import MaskedRows, chances_by_fifth, mean_length
from benchmarks.policies.runs import RUNS, add_columns, runs_for, train_all
from benchmarks.policies.series import series_of
from small_runs import TINY
from tidemask.masking.batch import Batch


@pytest.mark.slow
def test_policies_figures_are_drawn_of_runs(corpus: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(corpus, tmp_path / "corpus")
    words = {"CONTAINER": "kettle lantern", "ERROR": "winter", "FILE": "letter"}
    add_columns(copied, tmp_path, words)
    settings = [*TINY, "training.logging_steps=1"]
    train_all(runs_for(FIGURES), copied, tmp_path, steps=4, settings=settings)
    assert {run.name for run in RUNS} < {path.name for path in tmp_path.iterdir()}
    series = series_of(tmp_path, FIGURES)
    assert series.keys() == FIGURES.keys()
    figures.draw({"figures": series}, tmp_path / "drawn")
    assert {path.stem for path in (tmp_path / "drawn").iterdir()} == FIGURES.keys()

    ratio, held_out = series["ratio"]
    assert ratio["matched"] == [[1.0, 2.0, 3.0, 4.0], [17.0] * 4]
    assert ratio["decay"][1][0] == 32.0
    assert len(held_out["decay"][0]) == 4
    shares = np.array([y for _, y in series["mixture"][0].values()])
    assert shares.sum(axis=0) == pytest.approx(100.0)
    lengths = series["phases"][0]["phases"][1]
    assert max(lengths[:15]) < min(lengths[-10:])
    arms, chosen = series["bandit"]
    assert np.array([y for _, y in arms.values()]).sum(axis=0) == pytest.approx(100.0, abs=0.1)
    assert {f"{ratio:g} %" for ratio in chosen["bandit"][1]} <= arms.keys()


def test_policies_chances_are_counted_by_fifths_of_the_maskable_tokens() -> None:
    maskable = torch.ones(2, 6, dtype=torch.bool)
    maskable[:, 5] = False
    values = torch.tensor([[9.0, 8, 7, 6, 5, -1], [4.0, 3, 2, 1, 0, 99]])
    selected = values.ge(7) & maskable
    batch = Batch(input_ids=torch.zeros(2, 6, dtype=torch.long), maskable=maskable,
                  sample_ids=torch.arange(2))  # fmt: skip
    assert chances_by_fifth(MaskedRows(batch, selected, None), values) == [0, 0, 0, 50, 100]


def test_policies_length_is_the_mean_of_adjacent_masked_tokens_in_a_row() -> None:
    selected = torch.tensor([[1, 1, 0, 1], [1, 0, 0, 0]], dtype=torch.bool)
    batch = Batch(input_ids=torch.zeros(2, 4, dtype=torch.long), maskable=selected | True,
                  sample_ids=torch.arange(2))  # fmt: skip
    assert mean_length(MaskedRows(batch, selected, None)) == pytest.approx(4 / 3)


def test_policies_figures_are_said_by_their_ends_bars_means_and_counts() -> None:
    curves = {"decay": [[1.0, 2.0], [32.0, 2.0]]}
    said = in_words("ratio", [curves, curves])
    assert "% of the tokens: decay from 32 to 2." in said
    shares = {"masked": [[1.0, 3.0], [25.0, 75.0]]}
    said = in_words("scored", [shares, {"lowest fifth": [[0.0], [7.125]]}])
    assert "masked have a mean of 2.50 nats" in said
    assert "lowest fifth 7.12" in said
    chosen = {"bandit": [[1.0, 2.0, 3.0], [8.0, 15.0, 8.0]]}
    assert "8 % in 2 of 3 blocks, 15 % in 1 of 3 blocks" in in_words("bandit", [curves, chosen])


def test_policies_command_asks_for_a_directory_or_for_drawing_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        figures.main([])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "policies/figures.py: give --work DIR, or --draw-only\n"
