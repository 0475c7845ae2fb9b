"""Masker, collator and Trainer: the same key gives the same masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from small_runs import started, trainer_of
from tidemask import Batch, MaskedBatch, Masker, MaskingCollator, StepKey
from tidemask.runs.config import read_run_config
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.corpus_masker import build_masker
from tidemask.runs.started_on import corpus_of

STEPS, SEED = 4, 5
RECIPES = {
    "bert": (),
    "ptw-mrd": ("masking.content.horizon_steps=1",),
    "ptw-paper": (),
    "roberta": ("masking.content.weighting=class_loss", "masking.content.classes=vocabulary"),
    "mrd-cosine": ("masking.unit=span", "masking.budget=fixed"),
    "wettig-40": ("masking.loss_weight=inverse_ratio", "masking.unit=token"),
}
QUICK = {"ptw-mrd"}


class Recorder:
    """Stands for the Trainer's masker, and keeps what it is asked and what it answers."""

    def __init__(self, masker: Masker) -> None:
        self.masker = masker
        self.calls: list[tuple[Batch, dict[str, Any], MaskedBatch]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.masker, name)

    def __call__(self, batch: Batch, **moment: Any) -> MaskedBatch:
        masked = self.masker(batch, **moment)
        self.calls.append((batch, moment, masked))
        return masked


def examples_of(batch: Batch) -> list[dict[str, Any]]:
    """The sequences as a dataset has them: without padding."""
    lengths = [batch.input_ids.shape[1]] * len(batch.input_ids)
    if batch.attention_mask is not None:
        lengths = batch.attention_mask.sum(1).tolist()
    assert batch.word_starts is not None
    assert batch.token_class is not None
    return [
        {
            "input_ids": batch.input_ids[i, :length].numpy(),
            "word_starts": batch.word_starts[i, :length].numpy(),
            "token_class": batch.token_class[i, :length].numpy(),
            "sample_id": int(batch.sample_ids[i]),
        }
        for i, length in enumerate(lengths)
    ]


@pytest.mark.parametrize(
    "recipe",
    [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in RECIPES],
)
@pytest.mark.slow
def test_three_faces_mask_alike(recipe: str, corpus: Path, tmp_path: Path) -> None:
    """Over a run of 4 steps of 2 batches, class losses passed on from step to step."""
    settings = (f"training.max_steps={STEPS}", "training.gradient_accumulation_steps=2")
    settings += (f"training.seed={SEED}", "evaluation.every_steps=0", *RECIPES[recipe])
    run = started(corpus, tmp_path / "run", recipe, *settings)
    config = read_run_config(run.config)
    data = CorpusInputs.of(corpus_of(config))
    trainer = trainer_of(run)
    recorder: Any = Recorder(trainer._masking.masker)
    trainer._masking.masker = recorder
    learned = trainer.accounting.vocabulary_loss or trainer.accounting.class_loss
    assert learned is not None
    sums: list[tuple[torch.Tensor, torch.Tensor]] = []
    update = learned.update

    def take_in(loss_sum: torch.Tensor, count: torch.Tensor, *, step: int) -> None:
        sums.append((loss_sum, count))
        update(loss_sum, count, step=step)

    learned.update = take_in  # type: ignore[method-assign]
    trainer.train_from(None)
    assert len(recorder.calls) == 2 * STEPS

    masker = build_masker(recipe, config.masking, data, STEPS)
    collator = MaskingCollator(
        config.masking,
        data.vocabulary,
        max_steps=STEPS,
        pad_id=data.tokenizer.pad_token_id,
        seed=SEED,
        accumulation_steps=2,
        class_names=masker.class_names,
    )
    for number, (batch, moment, masked) in enumerate(recorder.calls):
        step = number // 2
        pure = masker(
            batch,
            progress=step / STEPS,
            key=StepKey(SEED, step),
            class_loss=moment["class_loss"],
        )
        columns = collator(examples_of(batch))
        for name in ("input_ids", "labels"):
            assert torch.equal(getattr(masked, name), getattr(pure, name)), (step, name)
            width = columns[name].shape[1]
            assert torch.equal(getattr(masked, name)[:, :width], columns[name]), (step, name)
        if masked.loss_weight is not None:
            assert torch.equal(masked.loss_weight[:, :width], columns["loss_weight"])
        if number % 2:
            learns = collator.class_loss is not None
            collator.step_done(*(sums[step] if learns else ()))
    predicted = [int((masked.labels >= 0).sum()) for _, _, masked in recorder.calls]
    assert min(predicted) > 0
