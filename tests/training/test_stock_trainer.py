"""The stock Trainer, really training: the masks of every step, class losses, errors."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import BertForMaskedLM, TrainingArguments

from cases import one_in
from collators import NAMES, V, collator_of, expected, row_of, same
from stock_runs import BATCH, ROWS, Run, Stream, same_batches, same_weights, tiny_bert
from tidemask.token_classes import NO_CLASS

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
]

# ---- the schedule ----


@pytest.mark.parametrize("workers", one_in(2, [0, 2]))
@pytest.mark.parametrize("accumulation", [1, 3])
def test_stock_trainer_masks_by_the_step(workers: int, accumulation: int, tmp_path: Path) -> None:
    """Epochs of 7 batches, so of 3 steps where 3 are accumulated, the last of one batch."""
    run = Run(
        tmp_path,
        "words",
        max_steps=9 if accumulation == 1 else 8,
        accumulation=accumulation,
        dataloader_num_workers=workers,
    )
    run.train().check("words")
    assert run.collator.clock.steps_done == run.max_steps


@pytest.mark.slow
def test_stock_trainer_with_persistent_workers(tmp_path: Path) -> None:
    more = {"dataloader_num_workers": 2, "dataloader_persistent_workers": True}
    run = Run(tmp_path, "words", max_steps=17, eval_strategy="steps", eval_steps=4, **more)
    run.train().check("words")
    run.stop_workers()


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.slow
def test_stock_trainer_masks_a_stream_by_the_step(workers: int, tmp_path: Path) -> None:
    run = Run(tmp_path, "words", data=Stream(), dataloader_num_workers=workers)
    run.train().check("words")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_stock_trainer_evaluation_changes_nothing(workers: int, tmp_path: Path) -> None:
    """Evaluation has the same masks each time; training has those that it has without."""
    plain = Run(tmp_path, "class loss", dataloader_num_workers=workers).train()
    run = Run(
        tmp_path,
        "class loss",
        dataloader_num_workers=workers,
        eval_strategy="steps",
        eval_steps=3,
        eval_on_start=True,
    )
    run.train()
    run.trainer.evaluate()
    assert same_batches(plain.trained, run.trained)
    assert len(run.evaluated) == 2 * 6  # at the start, after 3, 6, 9 and 10 steps, and later
    for number, batch in enumerate(run.evaluated):
        assert same(batch, run.evaluated[number % 2])
        assert "token_class" not in batch
    assert same_weights(plain, run)


@pytest.mark.slow
def test_stock_trainer_learns(tmp_path: Path) -> None:
    """Text in which each token follows from its neighbours; a guess costs log 20 = 3.0 nats."""
    ids = [np.append(np.append(2, 5 + (np.arange(14) + 4 * i) % 20), 3) for i in range(64)]
    rows = [{"input_ids": i, "word_starts": np.ones(16, bool), "row": 0} for i in ids]
    run = Run(tmp_path, "words", max_steps=150, data=rows, trainer={"eval_dataset": rows})
    run.train()
    assert run.trainer.evaluate()["eval_loss"] < 2.0


# ---- class losses and loss weights ----


def slow_sums(batches: list[dict[str, torch.Tensor]], over: str) -> tuple[list[float], list[int]]:
    """Summed loss and count of each class over the batches of a step, token by token."""
    number = len(NAMES) if over == "token_class" else V
    sums, counts = [0.0] * number, [0] * number
    for batch in batches:
        for position in (batch["labels"] >= 0).nonzero().tolist():
            i, p = position
            label = int(batch["labels"][i, p])
            of = label if over == "labels" else int(batch["token_class"][i, p])
            if of != NO_CLASS:
                exponentials = batch["logits"][i, p].double().exp()
                sums[of] -= math.log(float(exponentials[label] / exponentials.sum()))
                counts[of] += 1
    return sums, counts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "over"), [("class loss", "token_class"), ("loss of entries", "labels")]
)
def test_stock_trainer_class_losses_equal_a_slow_reference(
    policy: str, over: str, tmp_path: Path
) -> None:
    """And masks are those of the losses two steps before: one batch is made ahead."""
    run = Run(tmp_path, policy, max_steps=6, accumulation=2).train()
    known = [torch.full((len(NAMES) if over == "token_class" else V,), math.nan).double()]
    for step in range(6):
        first = 2 * step - step // 4  # the 4th step of an epoch has one batch
        batches = run.trained[first : first + (1 if step % 4 == 3 else 2)]
        for batch in batches:
            rows = [row_of(number) for number in batch["row"].tolist()]
            assert same(batch, expected(policy, rows, step, 6, known[max(0, step - 1)]))
        sums, counts = slow_sums(batches, over)
        # a horizon of one step keeps nothing of the steps before
        known.append(
            torch.tensor([s / n if n else math.nan for s, n in zip(sums, counts, strict=True)])
        )
    assert run.collator.class_loss is not None
    torch.testing.assert_close(
        run.collator.class_loss.value(), known[-1].double(), rtol=1e-5, atol=1e-6, equal_nan=True
    )


@pytest.mark.slow
def test_stock_trainer_loss_is_the_mean_over_the_step(tmp_path: Path) -> None:
    run = Run(tmp_path, "words", max_steps=8, accumulation=3).train()
    starts = [0, 3, 6, 7, 10, 13, 14, 17, 20]
    for first, last in itertools.pairwise(starts):
        sums = [slow_sums([b], "labels") for b in run.trained[first:last]]
        mean = sum(sum(s) for s, _ in sums) / sum(sum(n) for _, n in sums)
        assert sum(run.losses[first:last]) == pytest.approx(mean, rel=1e-5)


def test_stock_trainer_loss_weights_by_hand(tmp_path: Path) -> None:
    """1 / ratio of the sequence, over the maskable tokens; mean over the batches of the step."""
    run = Run(tmp_path, "masked diffusion", max_steps=4, accumulation=3).train()
    batches = [run.trained[0:3], run.trained[3:6], run.trained[6:7], run.trained[7:10]]
    losses = iter(run.losses)
    for of_step in batches:
        for batch in of_step:
            total = 0.0
            for i, p in (batch["labels"] >= 0).nonzero().tolist():
                log_p = batch["logits"][i, p].double().log_softmax(-1)[batch["labels"][i, p]]
                total -= float(batch["loss_weight"][i, p]) * float(log_p)
            by_hand = total / (BATCH * 22) / len(of_step)
            assert next(losses) == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize(("is_averaged", "tolerance"), [(True, 1e-5), (False, 0.1)])
def test_stock_trainer_loss_of_several_gpus_of_a_process_is_the_mean(
    is_averaged: bool, tolerance: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DataParallel without a GPU runs the model as it is, and the Trainer scales the loss.

    Where it does not average, it rounds the number of tokens for each GPU down.
    """
    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda _: 2))
    more = {"average_tokens_across_devices": is_averaged}
    run = Run(tmp_path, "words", max_steps=3, **more)
    means = []

    def compute_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        logits = outputs["logits"].detach()
        means.append(float(cross_entropy(logits.flatten(0, 1), labels.flatten())))
        return run.masking.compute_loss(outputs, labels, num_items_in_batch)

    run.trainer.compute_loss_func = compute_loss
    found = run.trainer.train().training_loss
    assert len(run.trained[0]["input_ids"]) == 2 * BATCH
    assert found == pytest.approx(sum(means) / 3, rel=tolerance)


# ---- what is refused ----


@pytest.mark.parametrize("policy", ["class loss", "masked diffusion"])
def test_stock_trainer_refuses_several_gpus_of_a_process_where_the_loss_reads_columns(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda _: 2))
    with pytest.raises(ValueError, match=r"n_gpu=2 of the Trainer.*torchrun"):
        Run(tmp_path, policy)


def test_stock_trainer_refuses_other_steps_than_planned(tmp_path: Path) -> None:
    run = Run(tmp_path, "words", max_steps=5)
    run.trainer.args.max_steps = 6
    with pytest.raises(ValueError, match="max_steps=5 of the collator and 6 of the Trainer"):
        run.train()
    run = Run(tmp_path, "words", max_steps=5)
    run.trainer.args.gradient_accumulation_steps = 2
    with pytest.raises(ValueError, match="accumulation_steps=1 of the collator and 2 of the Tr"):
        run.train()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dataloader_in_order", False),
        ("restore_callback_states_from_checkpoint", True),
        ("remove_unused_columns", True),
    ],
)
def test_stock_trainer_refuses_arguments_that_it_cannot_keep_to(
    name: str, value: bool, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=f"{name}={value} of the Trainer. Expected {not value}"):
        Run(tmp_path, "words", **{name: value})


def test_collator_of_rows_whose_columns_were_dropped_says_how_to_keep_them() -> None:
    collator = collator_of("words", 5)
    rows = [{"input_ids": row["input_ids"]} for row in ROWS[:2]]
    with pytest.raises(ValueError, match=r"no column word_starts.*remove_unused_columns=False"):
        collator(rows)


@pytest.mark.parametrize("policy", ["class loss", "loss of entries", "masked diffusion"])
def test_stock_trainer_without_our_loss_is_told(policy: str, tmp_path: Path) -> None:
    run = Run(tmp_path, policy, trainer={"compute_loss_func": None})
    with pytest.raises(ValueError, match=r"compute_loss_func=masking\.compute_loss"):
        run.train()


def test_stock_trainer_makes_its_own_model(tmp_path: Path) -> None:
    """With `model_init` the model that is trained is not the one of the beginning."""
    runs: list[Run] = []

    def model_init() -> BertForMaskedLM:
        model = tiny_bert()
        for run in runs:
            run.watch(model)
        return model

    runs.append(Run(tmp_path, "class loss", trainer={"model": None, "model_init": model_init}))
    run = runs[0].train()
    assert len(run.trained) == 10
    assert run.collator.class_loss is not None
    assert bool(run.collator.class_loss.value().isfinite().all())
    run.trainer.evaluate()
    assert same_batches(run.evaluated, Run(tmp_path, "words").evaluate().evaluated)
