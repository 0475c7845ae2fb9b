"""A ratio that follows measurements: equal choices after a kill, on two processes, by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import prose
from small_runs import (
    TINY,
    killed_at,
    records,
    run_command,
    same_weights,
    started,
    stopped_at,
    trained,
    trainer_of,
)
from tidemask import MaskingCollator, Vocabulary, load_recipe, prepare
from tidemask.errors import UserError
from tidemask.masking.ratio_bandit import Bandit
from tidemask.modeling.training_flops import TrainingFlops
from tidemask.run_record import (
    ARM_PROBABILITY,
    FLOPS,
    MEASURING_SHARE,
    RATIO,
    REFERENCE_LOSS,
    REWARD,
    RunDirectory,
)
from tidemask.runs.config import read_run_config
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.own_masking import own_masking_of
from tidemask.runs.started_on import corpus_of
from tidemask.runs.train import train
from tidemask.training.checkpoint_state import read_state
from tidemask.training.logging_window import LoggingWindow
from tidemask.training.ratio_loop import RatioLoop, new_ratio_loop

SETTINGS = (
    "training.max_steps=11", "training.save_steps=1", "training.keep_checkpoints=0",
    "masking.ratio.block_steps=2", "masking.ratio.sequences=4", "training.logging_steps=3",
    "training.gradient_accumulation_steps=2", "training.micro_batch_size=4",
)  # fmt: skip
"""Six blocks, of which the last is cut short; lines, checkpoints and blocks end apart."""


@pytest.fixture(scope="module")
def unbroken(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return trained(corpus, tmp_path_factory.mktemp("loop") / "run", "bandit-ratio", *SETTINGS)


def _text(run: RunDirectory) -> list[str]:
    return [json.dumps(record) for record in records(run)]


def _blocks(run: RunDirectory) -> list[dict[str, Any]]:
    """The last line of each block, after which a line is always written."""
    return [line for line in records(run) if line["step"] % 2 == 0 or line["step"] == 11]


def test_choices_follow_from_the_log_alone(unbroken: RunDirectory) -> None:
    """With the settings of the run and its seed, to the last bit."""
    config = read_run_config(unbroken.config)
    bandit, seed = config.masking.ratio, config.training.seed
    assert isinstance(bandit, Bandit)
    state, lines = bandit.new_state(), _blocks(unbroken)
    assert len(lines) == 6
    for block, line in enumerate(lines):
        arm = bandit.choose(state, seed=seed, block=block)
        assert line[RATIO] == pytest.approx(bandit.ratios[arm], rel=1e-12)
        chances = [line[f"{ARM_PROBABILITY}{ratio:g}"] for ratio in bandit.ratios]
        assert chances == list(bandit.probabilities(state))
        if block + 1 < len(lines):
            reward = lines[block + 1][REWARD]
            fall = line[REFERENCE_LOSS] - lines[block + 1][REFERENCE_LOSS]
            before = lines[block - 1][FLOPS] if block else 0.0
            assert reward == pytest.approx(fall / (line[FLOPS] - before) * 1e15, rel=1e-9)
            state = bandit.updated(state, arm=arm, reward=reward, num_blocks=6)
    assert REWARD not in lines[0]


def test_log_says_what_measuring_took(unbroken: RunDirectory) -> None:
    lines = unbroken.metrics.read_text().splitlines()
    shares = [json.loads(line).get(MEASURING_SHARE) for line in lines]
    assert all(share is None or 0.0 < share < 1.0 for share in shares)
    assert sum(share is not None for share in shares) == 6


@pytest.mark.parametrize("step", [4, 5, 10])
@pytest.mark.slow
def test_resume_at_a_border_and_within_a_block_equals_the_unbroken_run(
    step: int, unbroken: RunDirectory, tmp_path: Path
) -> None:
    broken = stopped_at(unbroken, step, tmp_path / "broken")
    assert train(broken).step == step
    assert same_weights(broken, unbroken)
    assert _text(broken) == _text(unbroken)
    last = read_state(broken.checkpoint(11)).ratio_loop
    assert last == read_state(unbroken.checkpoint(11)).ratio_loop


@pytest.mark.slow
def test_resume_after_sigkill_equals_the_unbroken_run(
    unbroken: RunDirectory, corpus: Path, tmp_path: Path
) -> None:
    broken = RunDirectory(tmp_path / "broken")
    settings = ["pretrain", str(corpus), "--recipe", "bandit-ratio", *TINY, *SETTINGS]
    killed_at(6, tmp_path / "held", [*settings, f"--out={broken.root}"])
    again = run_command(["resume", str(broken.root)])
    assert again.returncode == 0, again.stderr
    assert same_weights(broken, unbroken)
    assert _text(broken) == _text(unbroken)


@pytest.mark.slow
def test_two_processes_choose_what_one_does(corpus: Path, tmp_path: Path) -> None:
    settings = (*SETTINGS, "model.dropout=0.0")
    alone = trained(corpus, tmp_path / "alone", "bandit-ratio", *settings)
    settings = (*settings, "training.gradient_accumulation_steps=1")
    arguments = ["pretrain", str(corpus), "--recipe", "bandit-ratio", *TINY, *settings]
    together = RunDirectory(tmp_path / "together")
    done = run_command([*arguments, f"--out={together.root}"], processes=2)
    assert done.returncode == 0, done.stderr
    for one, two in zip(records(alone), records(together), strict=True):
        assert one[RATIO] == two[RATIO]
        assert one.keys() == two.keys()
        for name in (REFERENCE_LOSS, "loss"):
            assert one[name] == pytest.approx(two[name], abs=1e-5)


@pytest.mark.slow
def test_own_masking_is_that_of_the_last_block(unbroken: RunDirectory) -> None:
    data = CorpusInputs.of(corpus_of(read_run_config(unbroken.config)))
    masking = own_masking_of(unbroken, data)
    assert masking is not None
    batch = data.held_out_set().__getitems__(range(len(data.corpus.held_out)))
    selected = sum(int(masking(batch, draw)[1].sum()) for draw in range(20))
    share = selected / (20 * int(batch.maskable.sum()))
    last = records(unbroken)[-1][RATIO]
    assert share == pytest.approx(last, abs=0.03)


def test_run_without_held_out_text_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(prose.text(40))
    prepare(
        text, out=tmp_path / "corpus", vocab_size=300, sequence_length=32, tagger=None,
        held_out=0, workers=1, progress=False,
    )  # fmt: skip
    with pytest.raises(UserError, match=r"no held-out text: .*masking\.ratio\.schedule=bandit"):
        started(tmp_path / "corpus", tmp_path / "run", "bandit-ratio")
    assert not (tmp_path / "run").exists()


def test_trainer_without_a_measurement_is_refused(corpus: Path, tmp_path: Path) -> None:
    trainer = trainer_of(started(corpus, tmp_path / "run", "bandit-ratio"))
    with pytest.raises(ValueError, match=r"measure_reference=None with ratio\.schedule=bandit"):
        new_ratio_loop(trainer._masking.masker, trainer.settings, None, lambda: trainer.model, None)


def test_collator_refuses_a_ratio_that_follows_measurements() -> None:
    policy, vocabulary = load_recipe("bandit-ratio").masking, Vocabulary.of(50, 4, range(5))
    with pytest.raises(ValueError, match=r"ratio\.schedule=bandit in a collator\. Expected"):
        MaskingCollator(policy, vocabulary, max_steps=2, pad_id=0)


@pytest.mark.parametrize("flops", [None, TrainingFlops(per_seen=4, per_predicted=10)])
def test_reward_is_the_fall_for_what_the_block_took(flops: TrainingFlops | None) -> None:
    losses = iter([7.0, 6.5, 6.6])
    loop = RatioLoop(
        Bandit(block_steps=3), seed=0, num_steps=9, flops=flops, measure=lambda: next(losses)
    )
    rewards = []
    for step in range(9):
        window = LoggingWindow(total_tokens=1e6 * step, total_selected=1e5 * step)
        assert loop.begin_step(step, window) in loop._bandit.ratios
        assert (window.measuring_seconds > 0.0) == (step % 3 == 0)
        rewards.append(loop.metrics().get(REWARD, math.nan))
    spent = 3e6 if flops is None else 3e6 * 4 + 3e5 * 10
    expected = [math.nan] * 3 + [0.5 / spent * 1e15] * 3 + [-0.1 / spent * 1e15] * 3
    assert rewards == pytest.approx(expected, nan_ok=True)


def test_measuring_touches_no_random_state(corpus: Path, tmp_path: Path) -> None:
    trainer = trainer_of(started(corpus, tmp_path / "run", "bandit-ratio", *SETTINGS))
    before = torch.get_rng_state()
    assert trainer._ratio_of(0) in trainer._ratio_loop._bandit.ratios
    assert torch.equal(torch.get_rng_state(), before)
    assert trainer.model.training
