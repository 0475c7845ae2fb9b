"""One candidate of the training benchmark, in a process of its own; `process.py` starts it.

It builds a trainer, trains when it reads `go N` on its standard input, and answers each turn with
one line of JSON: the seconds of each of the N optimizer steps. A step is the whole of what lies
between the ends of two: fetching, masking, forward, backward, clipping, the optimizer, and all that
the trainer does besides.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import (
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from tidemask import load_recipe
from tidemask.corpus.store.corpus import open_corpus
from tidemask.modeling.building import build_model
from tidemask.modeling.settings import ModelSettings
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.creation import new_run
from tidemask.runs.train import train

RATIO = 0.15
_STEPS = 1_000_000


class StepTimer:
    """Times the steps; called at the end of each, it blocks while it is not its turn."""

    def __init__(self) -> None:
        self._steps = self._left = 1
        self._seconds: list[float] = []
        self._record: Mapping[str, Any] = {}
        self._started = 0.0

    def on_record(self, record: Mapping[str, Any]) -> None:
        """Keep the last logged record, which has the shares of masking and loading."""
        self._record = record

    def step_ended(self) -> None:
        """Time a step; wait for the next turn after the last of this one.

        A GPU works behind: waiting for it after each step would take away what goes on beside it,
        so that the steps of a turn are timed together there, each as their mean.
        """
        on_gpu = torch.cuda.is_available()
        self._left -= 1
        if on_gpu and self._left > 0:
            return
        if on_gpu:
            torch.cuda.synchronize()
        took = time.perf_counter() - self._started
        self._seconds += [took / self._steps] * self._steps if on_gpu else [took]
        if self._left <= 0:
            self._end_turn()
        self._started = time.perf_counter()

    def _end_turn(self) -> None:
        answer = {
            "seconds": self._seconds,
            "record": dict(self._record),
            "peak_bytes": _peak(),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        }
        print("TURN " + json.dumps(answer), flush=True)
        command = sys.stdin.readline().split()
        if not command or command[0] != "go":
            sys.stdout.flush()
            os._exit(0)
        self._steps = self._left = int(command[1])
        self._seconds = []


def _peak() -> int:
    """Return the peak memory in bytes: of the device, or of the process where there is none."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class _Steps(TrainerCallback):
    def __init__(self, timer: StepTimer) -> None:
        self._timer = timer

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._timer.step_ended()


def _rows(material: CorpusInputs) -> list[dict[str, Any]]:
    """The rows as a prepared data set gives them to a stock Trainer: lists of numbers."""
    split = material.corpus.train
    ids = split.rows(range(len(split))).input_ids.astype("int64")
    special = material.vocabulary.is_special.numpy()[ids].astype("int64")
    return [
        {"input_ids": i.tolist(), "special_tokens_mask": s.tolist()}
        for i, s in zip(ids, special, strict=True)
    ]


def stock(spec: Mapping[str, Any], timer: StepTimer, *, sparse: bool) -> None:
    """The stock Trainer with its own collator, and its defaults wherever nothing must be said."""
    material = CorpusInputs.of(open_corpus(Path(spec["corpus"])))
    tokenizer: PreTrainedTokenizerBase = material.tokenizer
    model = build_model(
        ModelSettings(size=spec["model"]),
        tokenizer=tokenizer,
        vocab_size=material.vocabulary.size,
        sequence_length=spec["length"],
        seed=0,
    )
    if sparse:
        model.config.sparse_prediction = True
        model.sparse_prediction = True
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        max_steps=_STEPS,
        per_device_train_batch_size=spec["batch_size"],
        learning_rate=1e-4,
        save_strategy="no",
        logging_steps=500,
        report_to=[],
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
        bf16=spec["precision"].startswith("bf16"),
        torch_compile=spec["precision"].endswith("compile"),
    )
    collator = DataCollatorForLanguageModeling(tokenizer, mlm=True, mlm_probability=RATIO)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=_rows(material),
        data_collator=collator,
        processing_class=tokenizer,
        callbacks=[_Steps(timer)],
    )
    trainer.train()


def tidemask(spec: Mapping[str, Any], timer: StepTimer, *more: str) -> None:
    """A run as `tidemask pretrain` makes it, with more settings."""
    settings = [
        *more,
        f"model.size={spec['model']}",
        f"training.max_steps={_STEPS}",
        f"training.micro_batch_size={spec['batch_size']}",
        "training.learning_rate=1e-4",
        f"training.logging_steps={spec['logging_steps']}",
        f"training.save_steps={_STEPS}",
        f"training.precision={spec['precision'].split('+')[0]}",
        f"training.compile={str(spec['precision'].endswith('compile')).lower()}",
        f"evaluation.every_steps={_STEPS}",
    ]
    run = new_run(
        load_recipe(spec["recipe"], settings),
        Path(spec["corpus"]),
        Path(tempfile.mkdtemp()) / "run",
    )

    def on_progress(stage: str, *_: int | None) -> None:
        if stage == "training":
            timer.step_ended()

    train(run, RunCallbacks(on_progress=on_progress, on_record=timer.on_record))


GROUPS: dict[str, Callable[[Mapping[str, Any], StepTimer], None]] = {
    "stock Trainer": lambda spec, timer: stock(spec, timer, sparse=False),
    "stock Trainer, sparse_prediction": lambda spec, timer: stock(spec, timer, sparse=True),
    "tidemask": tidemask,
    "tidemask, attention_dropout 0": lambda spec, timer: tidemask(
        spec, timer, "model.attention_dropout=0.0"
    ),
    "tidemask, dropout 0": lambda spec, timer: tidemask(spec, timer, "model.dropout=0.0"),
}


def main() -> None:
    """Train by the specification in the first argument, a JSON object."""
    spec = json.loads(sys.argv[1])
    torch.set_num_threads(spec["threads"])
    GROUPS[spec["group"]](spec, StepTimer())


if __name__ == "__main__":
    main()
