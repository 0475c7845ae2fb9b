"""The layout of a run directory, and what stands in its `run.yaml` and `environment.json`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from tidemask.errors import UserError, command_line, one_line
from tidemask.reading import ANY_LENGTH, MAX_INDEX_BYTES, read_json, read_yaml
from tidemask.run_record.machines import Machine
from tidemask.settings import shown

_CHECKPOINT = re.compile(r"checkpoint-(0|[1-9][0-9]{0,17})")


@dataclass(frozen=True)
class _Corpus:
    """What `environment.json` says of the corpus."""

    path: str
    fingerprint: str
    class_share: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Continued(Machine):
    """With what a run went on, and the number of steps that were done by then."""

    step: int


@dataclass(frozen=True, kw_only=True)
class _Environment(Machine):
    """What `environment.json` may hold, by its types."""

    processes: int | None = None
    engine: str | None = None
    corpus: _Corpus | None = None
    continued: list[_Continued] = field(default_factory=list)


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
        """Versions, processor, device, and the corpus with its fingerprint and class shares."""
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
                f"`{command_line('resume', self.root)}` makes it again from the last checkpoint."
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
        """Versions, hardware and corpus of the run; empty if they were never written.

        Raises:
            UserError: the file is damaged, or holds values of other types.
        """
        if not self.environment.is_file():
            return {}
        read_json(
            self.environment,
            _Environment,
            what="environment",
            advice="Delete it.",
            max_bytes=ANY_LENGTH,
        )
        return read_json(self.environment, dict[str, Any], max_bytes=ANY_LENGTH)


def _problem_with_model(model: Path) -> str:
    """What is wrong with a saved model, after its path; empty if nothing is."""
    if not model.is_dir():
        return " is not a directory"
    weights = sorted(model.glob("*.safetensors"))
    if index := sorted(model.glob("*.safetensors.index.json")):
        names = read_json(index[0], dict[str, Any], max_bytes=MAX_INDEX_BYTES).get("weight_map", {})
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
