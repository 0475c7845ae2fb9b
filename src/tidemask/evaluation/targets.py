"""Which models an evaluation measures: checkpoints of runs, model directories, random weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from tidemask.errors import UserError, did_you_mean, one_line
from tidemask.files.paths import given_path
from tidemask.hub import local_directory, why_not_downloaded
from tidemask.modeling.precision import usual_device
from tidemask.run_record import FINAL, RANDOM, START, RunDirectory
from tidemask.runs.config import RunConfig, read_run_config
from tidemask.runs.initial_model import check_recorded_weights
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.training.checkpoint_checks import sealed_step

MODEL = "model"
"""The checkpoint name of a model that is not a run."""

_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A run or a model, with the models of it that are measured.

    Attributes:
        name: run directory, model directory or name on the hub, as the caller wrote it.
        record: run directory in which its results are saved; `None` saves none.
        config: configuration of the run; `None` for a model.
        models: by checkpoint, in the order of training; the architecture with random weights, if
            it is measured, comes last.
    """

    name: str
    record: RunDirectory | None
    config: RunConfig | None
    models: tuple[tuple[str, ModelUnderTest], ...]


def target_of(
    name: str, *, checkpoints: str, out: Path | None, with_random: bool, device: str
) -> Target:
    """The models that a name and a choice of checkpoints stand for.

    Args:
        name: a run directory, a model directory, or the name of a model on the hub.
        checkpoints: `last`, `all`, or some of a run's checkpoints separated by commas: steps,
            `start` and `final`.
        out: directory for the results of a model that is not a run.
        with_random: whether its architecture with random weights comes at the end.
        device: where models are measured.

    Raises:
        UserError: there is no such run, model or checkpoint; or the starting model of the run is
            not what it was.
    """
    run = RunDirectory(given_path(name, "target"))
    if run.config.is_file():
        config = read_run_config(run.config)
        known = _models_of(run, config)
        trained = _trained(run, known)
        found = trained[-1:] if checkpoints == "last" else _selected_models(known, checkpoints)
        architecture = trained[-1][1]
        if START in dict(found):
            check_recorded_weights(config)
        record: RunDirectory | None = run
    else:
        config = None
        architecture = _model_directory(name)
        found = [(MODEL, architecture)]
        record = RunDirectory(out) if out is not None else None
    if with_random:
        found.append((RANDOM, architecture))
    models = tuple(
        (
            checkpoint,
            ModelUnderTest(
                directory=directory,
                tokenizer_directory=directory,
                is_random=checkpoint == RANDOM,
                device=device,
            ),
        )
        for checkpoint, directory in found
    )
    return Target(name=name, record=record, config=config, models=models)


def newest_model(name: str) -> ModelUnderTest:
    """The model that a name stands for: a run's newest, or the model itself.

    Raises:
        UserError: there is none.
    """
    device = usual_device()
    target = target_of(name, checkpoints="last", out=None, with_random=False, device=device)
    return target.models[-1][1]


def _selected_models(known: Mapping[str, Path], checkpoints: str) -> list[tuple[str, Path]]:
    if checkpoints == "all":
        return list(known.items())
    wanted = [part.strip() for part in checkpoints.split(",") if part.strip()]
    names = [f"checkpoint-{part}" if part.isdigit() else part for part in wanted]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UserError(
            f"no such checkpoint: {checkpoints!r}. Expected last or all, or some of "
            f"{','.join(name.removeprefix('checkpoint-') for name in known)}."
        )
    return [(name, path) for name, path in known.items() if name in names]


def _trained(run: RunDirectory, known: Mapping[str, Path]) -> list[tuple[str, Path]]:
    """All but the starting model, whose vocabulary may be another than that of the run."""
    trained = [(name, path) for name, path in known.items() if name != START]
    if not trained:
        raise UserError(f"nothing to evaluate: {run.root} has no checkpoint yet.")
    return trained


def _models_of(run: RunDirectory, config: RunConfig) -> dict[str, Path]:
    """The starting model if it is a directory here, checkpoints from the oldest, the final model.

    The last step's checkpoint has the weights of the final model, which then stands for it.
    """
    found = {}
    start = config.model.warm_start
    if start is not None and Path(start).is_dir():
        found[START] = Path(start)
    is_finished = run.is_finished
    for step, path in run.checkpoints():
        if sealed_step(path) not in (None, step):
            raise UserError(
                f"renamed checkpoint: {path} is of step {sealed_step(path)}. Give it back its name."
            )
        if not (is_finished and step == config.training.max_steps):
            found[path.name] = path
    return {**found, FINAL: run.model} if is_finished else found


def _model_directory(name: str) -> Path:
    expected = "a run, or a model directory with a config.json"
    directory = local_directory(name, expected=expected)
    if directory is not None:
        if not (directory / "config.json").is_file():
            raise UserError(f"no model: {directory}. Expected {expected}.")
        return directory
    path = Path(name)
    beside = [str(other) for other in path.parent.glob("*")] if "/" in name else []
    if beside:  # `runs/brt` is a misspelt run beside others, and not on the hub
        hint = did_you_mean(name, beside)
        raise UserError(f"no such directory: {name}. Expected a run or a model.{hint}")
    try:
        return Path(snapshot_download(name, allow_patterns=list(_FILES)))
    except (OSError, ValueError, HfHubHTTPError, HFValidationError) as error:
        raise UserError(
            f"no such directory: {name}, nor a model on the hub: "
            f"{why_not_downloaded(error) or one_line(error)}. Expected a run, a model directory, "
            "or the name of a model on the hub. Check the spelling."
        ) from error
