"""What of a run goes to the hub: the model as it was saved, its card, and how it was trained."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCard

from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.errors import UserError, command_line, one_line
from tidemask.evaluation_files import read_evaluation
from tidemask.files.paths import check_plain_files
from tidemask.reading import ANY_LENGTH, dump_yaml, read_text
from tidemask.run_record import FINAL, HELD_OUT_TASK, RunDirectory, read_metrics
from tidemask.runs.config import RunConfig, read_run_config
from tidemask.runs.model_card import model_card
from tidemask.runs.placeless import placeless_values
from tidemask.runs.settings_check import check_run_settings
from tidemask.runs.started_on import corpus_of
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.training.checkpoint_checks import state_or_problem

CARD = "README.md"
"""The card, beside the model."""

_RECORD = "run"
"""The folder there of what the model does not need."""

_OF_A_MODEL = ("*.safetensors", "*.json", "*.txt", "*.model")
_OF_A_TRAINING = ("trainer_state.json", "tidemask_state.json", "checkpoint.json")
"""What of a checkpoint is the model, and what of that is the state of the training after all."""

Files = dict[str, Path | bytes]
"""Files by their names in the repository: from the disk, or made for it."""


def pushed_files(run: RunDirectory, checkpoint: int | None = None) -> Files:
    """The files of a run that go to the hub, checked against what the run says of them.

    Args:
        run: a finished one, if no checkpoint is named.
        checkpoint: optimizer steps; `None` for the final model.

    Raises:
        UserError: this is not a run, or it was trained with other settings than its run.yaml has;
            the model is not there or not what was saved, or its card has no front matter that can
            be read.
    """
    check_run_settings(run)
    settings = run.read_config()
    config = read_run_config(run.config)
    model = _final_model(run) if checkpoint is None else _checkpoint(run, config, checkpoint)
    return {**model, **_record(run, settings, checkpoint)}


def card_of(files: Files) -> ModelCard:
    """The card among files, parsed.

    Raises:
        UserError: its front matter is damaged, or it is not UTF-8.
    """
    content = files[CARD]
    place: str | Path = CARD
    if isinstance(content, Path):
        place, text = content, read_text(content, ANY_LENGTH, "damaged card")
    else:
        text = content.decode()
    try:
        return ModelCard(text)
    except (ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise UserError(
            f"damaged card: {place}: {one_line(error)}. "
            "Expected YAML between two lines `---` at its beginning. Correct it."
        ) from error


def _final_model(run: RunDirectory) -> Files:
    if not run.is_finished:
        known = [f"{step}" for step, _ in run.checkpoints()]
        or_one = f", or push a checkpoint with --checkpoint: {', '.join(known)}" if known else ""
        raise UserError(
            f"no final model: {run.root} is not finished. Finish it by "
            f"`{command_line('resume', run.root)}`{or_one}."
        )
    check_plain_files(run.model)
    _check_unchanged(run)
    files = _by_name(run.model, (path for path in run.model.rglob("*") if path.is_file()))
    if CARD not in files:
        raise UserError(
            f"no card: {run.model / CARD} is missing. Restore it; or delete {run.model}, and "
            f"`{command_line('resume', run.root)}` makes both again."
        )
    return files


def _check_unchanged(run: RunDirectory) -> None:
    """Compare the final model with the one that was measured at the end, if one was."""
    result = run.result(HELD_OUT_TASK, FINAL)
    measured = read_evaluation(run, result).model if result.is_file() else {}
    found = ModelUnderTest(directory=run.model, tokenizer_directory=run.model).identity
    for name, was in measured.items():
        if found.get(name, was) != was:
            raise UserError(
                f"final model changed: {run.model} has {name}={found[name][:12]}, the run ended "
                f"with {was[:12]}, and the card's scores are of that. Restore it; or delete it, "
                f"and `{command_line('resume', run.root)}` makes it again from the last checkpoint."
            )


def _checkpoint(run: RunDirectory, config: RunConfig, step: int) -> Files:
    known = dict(run.checkpoints())
    if step not in known:
        there = ", ".join(map(str, known)) or "none yet"
        raise UserError(f"no such checkpoint: --checkpoint={step}. {run.root} has: {there}.")
    directory = known[step]
    problem = state_or_problem(directory, step)
    if isinstance(problem, str):
        raise UserError(f"unusable checkpoint: {directory} {problem}. Name another one.")
    paths = (path for kind in _OF_A_MODEL for path in directory.glob(kind))
    files = _by_name(directory, (path for path in paths if path.name not in _OF_A_TRAINING))
    mask_token = str(load_tokenizer(directory).tokenizer.mask_token)
    corpus = corpus_of(config).manifest
    card = model_card(run, corpus, mask_token=mask_token, checkpoint=step)
    return {**files, CARD: card.encode()}


def _by_name(directory: Path, paths: Iterable[Path]) -> Files:
    """Files by their paths within a directory, without hidden ones, in order."""
    named = {path.relative_to(directory): path for path in paths}
    shown = {name: p for name, p in named.items() if not any(n[0] == "." for n in name.parts)}
    return {name.as_posix(): shown[name] for name in sorted(shown)}


def _record(run: RunDirectory, settings: dict[str, Any], checkpoint: int | None) -> Files:
    """The configuration, without places of this machine, and the metrics up to the model."""
    text = dump_yaml(placeless_values(settings))
    files: Files = {f"{_RECORD}/{run.config.name}": text.encode()}
    if not os.path.lexists(run.metrics):
        return files
    lines: Path | bytes = run.metrics
    logged = read_metrics(run.metrics)
    if checkpoint is not None:
        until = [line for line in logged if line["step"] <= checkpoint]
        lines = "".join(f"{json.dumps(line)}\n" for line in until).encode()
    return {**files, f"{_RECORD}/{run.metrics.name}": lines}
