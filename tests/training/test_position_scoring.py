"""Positions scored by the model in training: what scores are, when, and that runs stay exact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from small_runs import TINY, records, run_command, same_weights, started, stopped_at, trained
from small_runs import trainer_of as trainer
from tidemask import MaskingCollator, StepKey, Vocabulary, load_recipe
from tidemask.masking.masker import Masker
from tidemask.run_record import RunDirectory
from tidemask.runs.train import train
from tidemask.training import position_scoring

STEPS = ("training.max_steps=6", "training.logging_steps=1", "evaluation.every_steps=0")
SCORES = ("entropy", "loss")


def _by_hand(model: Any, batch: Any, score: str) -> torch.Tensor:
    """From all logits of the language model itself, one sequence at a time."""
    rows = []
    model.language_model.eval()
    for ids, kept in zip(batch.input_ids.long(), batch.maskable | True, strict=True):
        with torch.no_grad():
            logits = model.language_model(input_ids=ids[None]).logits[0].double()
        chances = logits.softmax(1)
        if score == "entropy":
            rows.append(-(chances * chances.log()).sum(1))
        else:
            rows.append(-chances[torch.arange(len(kept)), ids].log())
    model.language_model.train()
    return torch.stack(rows)


def _first_batch(made: Any) -> Any:
    return next(batch for batch in made.get_train_dataloader() if batch.attention_mask is None)


@pytest.mark.parametrize("score", SCORES)
def test_position_scores_are_those_of_the_models_own_logits(
    score: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dropout in training, three sequences at once; no generator and no mode is changed."""
    run = started(corpus, tmp_path / "run", "self-masking", f"masking.content.score={score}")
    made = trainer(run)
    made.model_wrapped = made.model.train()
    batch = _first_batch(made)
    vocabulary = made.accounting.masker.vocabulary.size
    size = 3 * 4 * vocabulary * batch.input_ids.shape[1]
    monkeypatch.setattr(position_scoring, "_LOGITS_BYTES", size)
    generator = torch.get_rng_state()
    scores = made._masking.scoring(batch)
    assert torch.equal(generator, torch.get_rng_state())
    assert made.model.training
    assert not scores.requires_grad
    torch.testing.assert_close(
        scores.double(), _by_hand(made.model, batch, score), rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_position_scores_decide_the_masks_of_their_step_and_of_no_other(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second step: the masks are those of the masker with and without the scores."""
    by_rank = "masking.content.mapping={map: rank}"  # scores of an untrained model hardly differ
    every = "masking.content.every_steps=2"
    run = started(corpus, tmp_path / "run", "self-masking", *STEPS, by_rank, every)
    made = trainer(run)
    calls: list[tuple[Any, dict[str, Any], Any]] = []
    mask = Masker.__call__

    def keep(self: Masker, batch: Any, **moment: Any) -> Any:
        masked = mask(self, batch, **moment)
        calls.append((batch, moment, masked))
        return masked

    monkeypatch.setattr(Masker, "__call__", keep)
    made.train_from(None)
    masker = made.accounting.masker
    assert [moment["scores"] is None for _, moment, _ in calls] == [False, True] * 3
    for step, (batch, moment, masked) in enumerate(calls):
        key = StepKey(0, step)
        again = mask(masker, batch, progress=step / 6, key=key, scores=moment["scores"])
        uniform = mask(masker, batch, progress=step / 6, key=key)
        assert torch.equal(masked.selected, again.selected)
        assert torch.equal(masked.selected, uniform.selected) == bool(step % 2)


@pytest.mark.slow
@pytest.mark.parametrize("score", SCORES)
def test_position_scores_resumed_run_equals_the_unbroken_one(
    score: str, corpus: Path, tmp_path: Path
) -> None:
    whole = trained(
        corpus, tmp_path / "whole", "self-masking", "training.save_steps=3",
        f"masking.content.score={score}", "masking.content.every_steps=2",
    )  # fmt: skip
    for step in (3, 6):
        broken = stopped_at(whole, step, tmp_path / f"broken-{step}")
        assert train(broken).step == step
        assert same_weights(broken, whole)
        assert repr(records(broken)) == repr(records(whole))


@pytest.mark.slow
def test_position_scores_of_micro_batches_are_those_of_the_whole_batch(
    corpus: Path, tmp_path: Path
) -> None:
    exact = ("model.dropout=0.0", *STEPS)
    whole = trained(corpus, tmp_path / "whole", "self-evolution", *exact)
    parts = trained(
        corpus, tmp_path / "parts", "self-evolution", *exact, "training.micro_batch_size=4",
        "training.gradient_accumulation_steps=2",
    )  # fmt: skip
    _assert_same_lines(whole, parts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("self-masking", ()),
        ("self-masking", ("training.sharding=fsdp2",)),
        ("learnability", ("masking.content.statistic=accuracy", "masking.content.blend_in=false")),
    ],
)
def test_two_ranks_score_and_learn_as_one(
    recipe: str, settings: tuple[str, ...], corpus: Path, tmp_path: Path
) -> None:
    exact = ("model.dropout=0.0", *STEPS, *settings)
    alone = trained(corpus, tmp_path / "alone", recipe, "model.dropout=0.0", *STEPS,
                    *(s for s in settings if "sharding" not in s))  # fmt: skip
    out = tmp_path / "ranks"
    done = run_command(
        [
            "pretrain", str(corpus), f"--recipe={recipe}", *TINY, *exact, f"--out={out}",
            "training.micro_batch_size=4",
        ],
        processes=2,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    _assert_same_lines(alone, RunDirectory(out))


def _assert_same_lines(one: RunDirectory, other: RunDirectory) -> None:
    for a, b in zip(records(one), records(other), strict=True):
        assert b == pytest.approx(a, rel=1e-4, abs=1e-6, nan_ok=True), a["step"]
        assert a["predicted_tokens"] == b["predicted_tokens"]


@pytest.mark.slow
def test_position_scores_and_their_cost_are_logged(corpus: Path, tmp_path: Path) -> None:
    """A token that is scored takes a third of what one that is seen and predicted takes."""
    runs = [
        started(corpus, tmp_path / name, "self-masking", *STEPS, *settings)
        for name, settings in (
            ("scored", ()), ("uniform", ("masking.content={weighting: uniform}",))
        )
    ]  # fmt: skip
    for run in runs:
        trainer(run).train_from(None)
    scored, uniform = (
        [json.loads(line) for line in run.metrics.read_text().splitlines()][-1] for run in runs
    )
    assert 0 < scored["scoring_share"] < 1
    assert scored["scoring_seconds"] > 0
    assert "scoring_share" not in uniform
    formula = trainer(started(corpus, tmp_path / "more", "bert")).metrics_log._flops
    seen, predicted = scored["tokens_seen"], scored["predicted_tokens"]
    third = (formula.per_seen + formula.per_predicted) / 3
    np.testing.assert_allclose(
        scored["flops"], formula.total(seen, predicted) + third * seen, rtol=1e-9
    )


def test_position_scores_need_a_model() -> None:
    policy = load_recipe("self-masking").masking
    with pytest.raises(ValueError, match="model_score in a collator, which has no model"):
        MaskingCollator(policy, Vocabulary.of(50, 4, range(5)), max_steps=5, pad_id=0)
