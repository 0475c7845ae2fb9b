"""One of every file that the program reads, small, and the commands that read it."""

from __future__ import annotations

import json
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import ROOT
from benchmarks.fuzzing import mutations
from benchmarks.fuzzing.mutations import Mutation
from benchmarks.reliability import small_run

_STEPS = ("training.max_steps=4", "training.save_steps=2", "training.logging_steps=1")
_QUICK = (
    "fine_tuning.epochs=1", "fine_tuning.num_seeds=1", "fine_tuning.learning_rates=[1e-3]",
    "fine_tuning.max_length=24",
)  # fmt: skip


_READ_BY_COMPARE = tuple(
    f"run/{name}"
    for name in ("run.yaml", "environment.json", "metrics.jsonl", "evaluation/held-out--final.json")
)


Outcome = Callable[[Path, str], object]
"""What a command leaves, of the world and of what it printed."""


@dataclass(frozen=True)
class FuzzedFile:
    """A file, who reads it, and what must be true if that ends with status 0.

    Attributes:
        file: path below the world.
        arguments: of the command that reads it; paths are relative to the world.
        mutations: what may happen to it.
        outcome: files that the command leaves, or its output, to compare with those of the
            file as it was; `None` where another content is another input.
    """

    file: str
    arguments: tuple[str, ...]
    mutations: tuple[Mutation, ...]
    outcome: Outcome | None = None

    @property
    def name(self) -> str:
        """What it is called on the command line of the fuzzer."""
        return f"{self.arguments[0]}:{self.file}"


def _text(num_documents: int) -> str:
    sys.path.append(str(ROOT / "tests" / "support"))
    from prose import text

    return text(num_documents)


def _write_lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _write_tasks(root: Path) -> None:
    rng = random.Random(0)
    sentences = [line for line in _text(2).replace(". ", ".\n").split("\n") if line][:24]
    for split in ("train", "dev"):
        rows = [{"sentence": text, "label": int("river" in text)} for text in sentences]
        _write_lines(root / "sst2" / f"{split}.jsonl", rows)
        tagged = [
            "".join(f"{word}\t{rng.choice(('O', 'B-PER', 'I-PER'))}\n" for word in text.split())
            for text in sentences
        ]
        (root / "ner").mkdir(exist_ok=True)
        (root / "ner" / f"{split}.tsv").write_text("\n".join(tagged), encoding="utf-8")
        questions = []
        for number, text in enumerate(sentences):
            answer = text.split()[1]
            answers = {"text": [answer], "answer_start": [text.index(answer)]}
            questions.append(
                {"id": str(number), "question": "Who?", "context": text, "answers": answers}
            )
        _write_lines(root / "squad" / f"{split}.jsonl", questions)
    pairs = [{"good": text, "bad": " ".join(reversed(text.split()))} for text in sentences]
    _write_lines(root / "pairs.jsonl", pairs)
    table = "".join(f"{row['good']}\t{row['bad']}\n" for row in pairs)
    (root / "pairs.tsv").write_text(table, encoding="utf-8")
    (root / "own.yaml").write_text(
        "name: own\nkind: entities\ndata: ner\nfine_tuning: {epochs: 1, num_seeds: 1, "
        "learning_rates: [0.001]}\n",
        encoding="utf-8",
    )


def build_world(root: Path) -> None:
    """Prepare a corpus, train a run, stop another, and write tasks, texts and a recipe."""
    from tidemask import evaluate
    from tidemask.run_record import RunDirectory
    from tidemask.runs.train import train

    corpus = small_run.write_small_corpus(root)
    for name in ("run", "other"):
        run = small_run.new_small_run(corpus, root / name, *_STEPS, f"training.seed={len(name)}")
        train(run := RunDirectory(run))
    shutil.copytree(root / "run", root / "stopped")
    for path in ("model", "evaluation", "checkpoint-4"):
        shutil.rmtree(root / "stopped" / path)
    shutil.copytree(root / "run" / "model", root / "model")
    shutil.copytree(root / "run", root / "evaluated")
    (root / "recipe.yaml").write_text(
        "name: own\nmasking:\n  ratio: {schedule: cosine, start: 0.4, end: 0.1}\n"
        "  content: {weighting: class_loss}\ntraining: {max_steps: 20}\n",
        encoding="utf-8",
    )
    _write_tasks(root / "tasks")
    (root / "text.txt").write_text(_text(12), encoding="utf-8")
    pairs = root / "tasks" / "pairs.jsonl"
    evaluate(root / "evaluated", tasks="pairs", task_data={"pairs": pairs}, progress=False)
    (root / "lines.txt").write_text("The river paints a stone.\nShe leaves it.\n", encoding="utf-8")


def _run_left(name: str) -> Outcome:
    return lambda world, _: small_run.outcome(world / name)


def _files(root: Path, directory: str) -> list[str]:
    """Files below a directory that have content and are not for people alone."""
    found = [path for path in (root / directory).rglob("*") if path.is_file()]
    read = [path for path in found if path.suffix != ".md" and path.stat().st_size]
    return sorted(str(path.relative_to(root)) for path in read)


_TRAIN = (
    "pretrain", "corpus", "--out", "new", "--recipe", "ptw-mrd", *small_run.SETTINGS,
    "training.max_steps=2", "training.report_to=none",
)  # fmt: skip
_PREPARE = ("prepare", "text.txt", "--out", "made", "--workers", "1")
_WITH_TOKENIZER = (*_PREPARE, "--tokenizer", "corpus/tokenizer")
_EVALUATE = ("evaluate", "model", *_QUICK, "--out", "results", "--no-random")


def _task(name: str, data: str) -> tuple[str, ...]:
    return (*_EVALUATE, "--tasks", name, "--task-data", f"{name}=tasks/{data}")


def _readers(root: Path) -> list[tuple[tuple[str, ...], list[str], Outcome | None]]:
    """Commands, the files that each reads, and what it leaves."""
    corpus, model = _files(root, "corpus"), _files(root, "model")
    measured = ["run/run.yaml", *_files(root, "run/model")]
    pairs = ("--tasks", "pairs", "--task-data", "pairs=tasks/pairs.jsonl")
    return [
        (_TRAIN, corpus, _run_left("new")),
        (("preview", "corpus"), corpus, None),
        (("resume", "stopped"), _files(root, "stopped"), _run_left("stopped")),
        (("compare", "run", "other", "--out", "report"), list(_READ_BY_COMPARE), None),
        (("evaluate", "run", *pairs), measured, None),
        (("evaluate", "evaluated", *pairs), ["evaluated/evaluation/pairs--final.json"], None),
        (("score", "model", "The river paints a stone."), model, None),
        (("fill", "model", "The [MASK] paints."), model, None),
        (("preview", "corpus", "--recipe", "recipe.yaml"), ["recipe.yaml"], None),
        (("recipes", "recipe.yaml"), ["recipe.yaml"], None),
        ((*_PREPARE, "--vocab-size", "200"), ["text.txt"], None),
        (_WITH_TOKENIZER, ["text.txt", *_files(root, "corpus/tokenizer")], None),
        (("score", "model", "--file", "lines.txt"), ["lines.txt"], None),
        (_task("sst2", "sst2"), _files(root, "tasks/sst2"), None),
        (_task("conll2003", "ner"), _files(root, "tasks/ner"), None),
        (_task("squad", "squad"), _files(root, "tasks/squad"), None),
        (_task("pairs", "pairs.jsonl"), ["tasks/pairs.jsonl"], None),
        (_task("pairs", "pairs.tsv"), ["tasks/pairs.tsv"], None),
        ((*_EVALUATE, "--tasks", "tasks/own.yaml"), ["tasks/own.yaml"], None),
    ]


def fuzzed_files(root: Path) -> list[FuzzedFile]:
    """Every file of a world with each command that reads it."""
    text = (*mutations.BYTES, *mutations.LINES, *mutations.PLACES)
    of_ending = {
        ".json": (*text, *(mutations.json_value,) * 5),
        ".jsonl": (*text, *(mutations.json_lines_value,) * 5),
        ".yaml": (*text, *(mutations.yaml_value,) * 5),
        ".tsv": (*text, *(mutations.column_changed,) * 3),
        ".txt": text,
    }
    binary = (*mutations.BYTES, *mutations.PLACES)
    return [
        FuzzedFile(file, arguments, of_ending.get(Path(file).suffix, binary), outcome)
        for arguments, files, outcome in _readers(root)
        for file in files
    ]


@dataclass(frozen=True)
class FuzzedName:
    """A path below the world that a command reads or makes, and which may have another name."""

    path: str
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called on the command line of the fuzzer."""
        return f"names:{self.arguments[0]}:{self.path}"


FUZZED_NAMES = (
    FuzzedName("text.txt", _WITH_TOKENIZER),
    FuzzedName("made", _WITH_TOKENIZER),
    FuzzedName("corpus", ("preview", "corpus")),
    FuzzedName("new", _TRAIN),
    FuzzedName("stopped", ("resume", "stopped")),
    FuzzedName("other", ("compare", "run", "other", "--out", "report")),
    FuzzedName("report", ("compare", "run", "other", "--out", "report")),
    FuzzedName("model", ("score", "model", "The river paints a stone.")),
    FuzzedName("lines.txt", ("score", "model", "--file", "lines.txt")),
    FuzzedName("evaluated", ("evaluate", "evaluated", "--tasks", "held-out")),
    FuzzedName("recipe.yaml", ("preview", "corpus", "--recipe", "recipe.yaml")),
    FuzzedName(
        "tasks", ("evaluate", "run", "--tasks", "pairs", "--task-data", "pairs=tasks/pairs.tsv")
    ),
)
"""What a user names."""
