"""The layout of a run directory, the names of its metrics, and how they are written and read.

Training, evaluation and the report meet here and nowhere else. Nothing in this module needs
torch, so that a report can be made where none is installed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from tidemask.atomic import append_whole, sync, write_atomically
from tidemask.errors import UserError, one_line
from tidemask.reading import parse_json, read_json, read_yaml
from tidemask.settings import shown
from tidemask.system_errors import refusal

MetricValue = int | float | str | None
"""A scalar in a line of `metrics.jsonl`."""

TOKENS_SEEN = "tokens_seen"
PREDICTED_TOKENS = "predicted_tokens"
WALL_SECONDS = "wall_seconds"
TOKENS_PER_SECOND = "tokens_per_second"
LOADING_SHARE = "loading_share"
MASKING_SHARE = "masking_share"
LEARNING_RATE = "learning_rate"
CONTINUED_FROM = "continued_from_step"
"""In the first line of a run with more steps: the last step of the run that it goes on from, which
run.yaml names."""
GRAD_NORM = "grad_norm"
RATIO = "masking/ratio"
REALISED_RATIO = "masking/realised_ratio"
SHORTFALL = "masking/shortfall"
CLASS_LOSS = "class_loss/"
CLASS_WEIGHT = "class_weight/"
CLASS_SHARE = "class_share/"
HELD_OUT = "held_out/"
UNIGRAM_ENTROPY = "unigram_entropy"
HELD_OUT_TASK = "held-out"
"""The task that measures held-out loss; results of other tasks bear their own names."""
GLUE_TASKS = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")
"""In the order of GLUE's own table (Wang et al. 2019)."""
START, FINAL, RANDOM = "start", "final", "random"
"""What evaluations call the starting model, the final one, and the architecture with random
weights, where others name a checkpoint."""
HELD_OUT_PERCENTS: tuple[int, ...] = (5, 15, 30)
"""Masking ratios, in per cent, at which held-out loss is always measured."""
FREQUENCY_BANDS: tuple[tuple[int, int], ...] = ((0, 50), (50, 75), (75, 90), (90, 99), (99, 100))
"""Bands of vocabulary entries, the most frequent first: the per cent of the training tokens whose
entries are more frequent, from and below. The last band also holds what was never seen."""

_CHECKPOINT = re.compile(r"checkpoint-(0|[1-9][0-9]{0,17})")

CHANGEABLE_SETTINGS = frozenset({"keep_checkpoints", "loader_workers", "report_to", "sharding"})
"""Settings of training that change no number: a run may continue with other values of them."""
WRITING_SETTINGS = frozenset({"logging_steps", "save_steps"})
"""Settings of training that change when something is written, and no number of a step."""
UNPLANNED_LENGTHS = frozenset({"max_epochs", "max_tokens"})
"""Settings of training that are planned into `max_steps`; in run.yaml none of them is set."""
BATCH_SETTINGS = frozenset({"micro_batch_size", "gradient_accumulation_steps"})
"""Settings of training whose product alone counts for each process: sequences per step."""


def held_out_loss(percent: int) -> str:
    """Name of the held-out loss at a fixed masking of `percent` per cent, nats per token."""
    return f"{HELD_OUT}loss_{percent}"


def held_out_band_loss(percent: int, band: tuple[int, int]) -> str:
    """Name of that loss on the entries of one of `FREQUENCY_BANDS` alone."""
    return f"{held_out_loss(percent)}/frequency/{band[0]}-{band[1]}"


@dataclass(frozen=True)
class RunDirectory:
    """The paths of one run directory.

    Attributes:
        root: the directory.

    Example:
        >>> from pathlib import Path
        >>> from tidemask import RunDirectory
        >>> RunDirectory(Path("runs/ptw")).checkpoint(500).as_posix()
        'runs/ptw/checkpoint-500'
    """

    root: Path

    def __post_init__(self) -> None:
        if not isinstance(self.root, str | Path):
            raise ValueError(f"root={shown(self.root)}. Expected the path of a directory.")
        object.__setattr__(self, "root", Path(self.root))

    @property
    def config(self) -> Path:
        """The resolved configuration; alone it starts the same run again."""
        return self.root / "run.yaml"

    @property
    def environment(self) -> Path:
        """Versions, device, and the corpus with its fingerprint and class shares."""
        return self.root / "environment.json"

    @property
    def metrics(self) -> Path:
        """One JSON object per logged step."""
        return self.root / "metrics.jsonl"

    @property
    def model(self) -> Path:
        """The final model and its tokenizer, as `from_pretrained` reads them."""
        return self.root / "model"

    @property
    def is_finished(self) -> bool:
        """Whether the final model is there, with its configuration, weights and tokenizer.

        Raises:
            UserError: a part of it is missing or cut off.
        """
        if not self.model.exists():
            return False
        if problem := _problem_with_model(self.model):
            raise UserError(
                f"final model not whole: {self.model}{problem}. Restore it; or delete it, and "
                f"`tidemask resume {self.root}` makes it again from the last checkpoint."
            )
        return True

    @property
    def evaluation(self) -> Path:
        """One JSON file per task and checkpoint."""
        return self.root / "evaluation"

    def result(self, task: str, checkpoint: str, seed: int | None = None) -> Path:
        """The evaluation result of a task, a checkpoint and, where there are several, a seed.

        `START`, `FINAL` and `RANDOM` stand for checkpoints too.
        """
        of_seed = "" if seed is None else f"--seed-{seed}"
        return self.evaluation / f"{task}--{checkpoint}{of_seed}.json"

    @property
    def tensorboard(self) -> Path:
        """Event files of TensorBoard."""
        return self.root / "tensorboard"

    @property
    def report(self) -> Path:
        """Figures, tables and the page of this run."""
        return self.root / "report"

    def checkpoint(self, step: int) -> Path:
        """Directory of the checkpoint after `step` optimizer steps."""
        return self.root / f"checkpoint-{step}"

    def checkpoints(self) -> list[tuple[int, Path]]:
        """Directories that are named as checkpoints, with their steps, oldest first."""
        return [(step, path) for step, path in self.checkpoint_places() if path.is_dir()]

    def checkpoint_places(self) -> list[tuple[int, Path]]:
        """All that is named as a checkpoint, whatever it is, with its step, the oldest first."""
        named = ((_CHECKPOINT.fullmatch(path.name), path) for path in self._content())
        return sorted((int(match[1]), path) for match, path in named if match)

    def misnamed_checkpoints(self) -> list[Path]:
        """What is called a checkpoint of no step that can be: `checkpoint-007`."""
        named = (path for path in self._content() if path.name.startswith("checkpoint-"))
        return sorted(path for path in named if not _CHECKPOINT.fullmatch(path.name))

    def _content(self) -> list[Path]:
        """What is in the directory, if it is there; `Path.glob` hides what the system refuses."""
        try:
            return list(self.root.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def read_config(self) -> dict[str, Any]:
        """The resolved configuration as nested mappings.

        Raises:
            UserError: this is not a run directory, or its configuration is damaged.
        """
        if not self.config.is_file():
            raise UserError(
                f"not a run directory: {self.root}. Expected a file run.yaml in it. "
                "Name a directory made by `tidemask pretrain`."
            )
        return read_yaml(self.config)

    def read_environment(self) -> dict[str, Any]:
        """Versions, device and corpus of the run; empty if they were never written.

        Raises:
            UserError: the file is damaged, or holds values of other types.
        """
        if not self.environment.is_file():
            return {}
        read_json(
            self.environment, _Environment, what="environment", advice="Delete it.", max_bytes=None
        )
        return read_json(self.environment, dict[str, Any], max_bytes=None)


def _problem_with_model(model: Path) -> str:
    """What is wrong with a saved model, after its path; empty if nothing is."""
    if not model.is_dir():
        return " is not a directory"
    weights = sorted(model.glob("*.safetensors"))
    if index := sorted(model.glob("*.safetensors.index.json")):
        names = read_json(index[0], dict[str, Any]).get("weight_map", {})
        weights = [model / name for name in sorted(set(names.values()))]
    for path in (model / "config.json", model / "tokenizer.json", *weights):
        if not path.is_file() or path.stat().st_size == 0:
            return f" has no {path.name}, or an empty one"
    if not weights:
        return " has no model.safetensors"
    for path in weights:
        try:
            with safe_open(path, framework="numpy"):  # compares the size with what it lists
                pass
        except SafetensorError as error:
            return f"/{path.name} is damaged ({one_line(error)})"
    return ""


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a `metrics.jsonl`, in order; a last line without its end is left out.

    A process that is killed may leave a torn last line. Any other line that is not an object of
    numbers with a step means that the file is damaged.

    Raises:
        UserError: the file is missing, or a line before the last is damaged.
    """
    if not path.is_file():
        raise UserError(f"no metrics: {path} does not exist. Has the run logged a step yet?")
    *lines, _torn = path.read_bytes().split(b"\n")
    records: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        record = _record(line, f"metrics: {path}, line {number}")
        if records and record["step"] <= records[-1]["step"]:
            raise UserError(
                f"damaged metrics: {path}, line {number}: step={record['step']} after step "
                f"{records[-1]['step']}. Expected a later one. {_WRONG_LINE}"
            )
        records.append(record)
    return records


_WRONG_LINE = "Delete the line that is wrong."


def _record(line: bytes, where: str) -> dict[str, Any]:
    """One line of metrics: a step, and under other names numbers or null."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"damaged {where}: {one_line(error)}. {_WRONG_LINE}") from error
    record: dict[str, Any] | None
    try:
        record = json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        record = None
    if record is None or not _is_sound(record):  # what is wrong takes longer to find out
        parse_json(text, _MetricsLine, where, advice=_WRONG_LINE)
        wrong = next((n for n, v in json.loads(text).items() if not _is_number_or_null(v)), "line")
        raise UserError(
            f"damaged {where}: {wrong}={shown(json.loads(text).get(wrong))}. "
            f"Expected a number or null. {_WRONG_LINE}"
        )
    return record


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a key is there twice")
    return record


def _is_sound(record: Any) -> bool:
    """Whether a line has a step and numbers, in what it always has and in all else."""
    if not isinstance(record, dict) or not all(map(_is_number_or_null, record.values())):
        return False
    step = record.get("step")
    always = (record.get(name, 0) for name in _ALWAYS_NUMBERS)
    return isinstance(step, int) and step >= 0 and None not in always


def _is_number_or_null(value: Any) -> bool:
    if type(value) is int:
        return abs(value) < 1 << 63
    return value is None or (type(value) is float and math.isfinite(value))


_ALWAYS_NUMBERS = ("progress", TOKENS_SEEN, PREDICTED_TOKENS, WALL_SECONDS)


@dataclass(frozen=True)
class _MetricsLine:
    """What a line of metrics always has, or has as a number where it has it."""

    step: int
    progress: float = 0.0
    tokens_seen: float = 0.0
    predicted_tokens: float = 0.0
    wall_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.step < 0:
            raise ValueError(f"step={self.step}. Expected 0 or more")


@dataclass(frozen=True)
class _Corpus:
    """What `environment.json` says of the corpus."""

    path: str
    fingerprint: str
    class_share: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Environment:
    """What `environment.json` may hold, by its types."""

    versions: dict[str, str] = field(default_factory=dict)
    device: str | None = None
    threads: int | None = None
    processes: int | None = None
    engine: str | None = None
    corpus: _Corpus | None = None


def finite_or_null(record: Mapping[str, MetricValue]) -> dict[str, MetricValue]:
    """The same, with `None` where a number is not finite: JSON has no word for it."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in record.items()
    }


def append_metrics(path: Path, record: Mapping[str, MetricValue]) -> bytes:
    """Add one logged step to `metrics.jsonl`; numbers keep every bit. Returns the line.

    A value that is not finite is written as null.

    Raises:
        UserError: the line could not be written; the file is as it was.
    """
    line = f"{json.dumps(finite_or_null(record))}\n".encode()
    try:
        append_whole(path, line)
    except OSError as error:
        if (refused := refusal(error, path)) is None:
            raise
        raise UserError(
            f"metrics not written: {refused}, then continue with `tidemask resume {path.parent}`."
        ) from error
    return line


def force_metrics(path: Path) -> None:
    """Force the lines written so far to the disk, before a checkpoint that counts on them."""
    if path.is_file():
        sync(path)


def cut_metrics(path: Path, last_step: int) -> None:
    """Drop the lines of `metrics.jsonl` after `last_step`, and a torn last line.

    The file is replaced in one move, so that a kill at any moment leaves the old or the new one.
    """
    if not path.is_file():
        return
    kept = [record for record in read_metrics(path) if record["step"] <= last_step]
    lines = "".join(json.dumps(record) + "\n" for record in kept)
    write_atomically(
        path, lines, what="metrics", then=f"continue with `tidemask resume {path.parent}`"
    )
