"""Which command reads which file of the small world, and what must be true when it ends well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzzing import mutations
from benchmarks.fuzzing.mutations import Mutation
from benchmarks.fuzzing.world import CLAIM
from benchmarks.reliability import small_run

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


def _run_left(name: str) -> Outcome:
    return lambda world, _: small_run.outcome(world / name)


def _files(root: Path, directory: str) -> list[str]:
    """Files below a directory that are not for people or for TensorBoard alone."""
    found = [path for path in (root / directory).rglob("*") if path.is_file()]
    read = [path for path in found if path.suffix != ".md" and path.parent.name != "tensorboard"]
    return sorted(str(path.relative_to(root)) for path in read)


def _ending(file: str) -> str:
    return Path(file).suffix or Path(file).name


_TRAIN = (
    "pretrain", "corpus", "--out", "new", "--recipe", "ptw-mrd", *small_run.SETTINGS,
    "training.max_steps=2", "training.report_to=none",
)  # fmt: skip
_PREPARE = ("prepare", "tale.txt", "--out", "made", "--workers", "1")
_WITH_TOKENIZER = (*_PREPARE, "--tokenizer", "corpus/tokenizer")
_EVALUATE = ("evaluate", "model", *_QUICK, "--out", "results", "--no-random")
_PAIRS = ("--tasks", "pairs", "--task-data", "pairs=tasks/pairs.jsonl")
_HELD_OUT = ("evaluate", "model", "--tasks", "held-out", "--data", "corpus", "--out", "results")
_COMPARE = ("compare", "run", "other", "--out", "report")

SLOW: Mapping[str, Mapping[str, object]] = {
    "compare": {
        "tidemask.report.compare.rendered": {"svg": b""},
        "tidemask.report.page.panel_svgs": ("",) * 9,
    }
}
"""Functions that take nine tenths of a command's time, and what they return in most trials."""


def _from_model(setting: str) -> tuple[str, ...]:
    """Train from what is in the directory of a model, without a size."""
    return (*(part for part in _TRAIN if part != "model.size=bert-tiny"), setting)


def _task(name: str, data: str) -> tuple[str, ...]:
    return (*_EVALUATE, "--tasks", name, "--task-data", f"{name}=tasks/{data}")


def _by_columns(*settings: str) -> tuple[str, ...]:
    """Train on the corpus with columns, by one of them."""
    others = (part for part in _TRAIN[2:] if not part.startswith("masking.content."))
    return ("pretrain", "annotated", *others, *settings)


_BY_CLASS = _by_columns(
    "masking.content={weighting: class_loss, classes: terms, horizon_steps: 1}",
    "masking.unit={group: phrases}",
)
_BY_WEIGHT = _by_columns("masking.content={weighting: column, column: scores}")


def _annotating(source: str, kind: str) -> tuple[str, ...]:
    given = ("--column", "new", "--from", source, "--kind", kind, "--workers", "1")
    return ("annotate", "annotated", *given)


def _by_entries(file: str) -> tuple[str, ...]:
    setting = f"masking.content={{weighting: entries, weights: {file}}}"
    return ("preview", "corpus", "--recipe", "bert", setting)


_OF_DOCUMENTS = (
    "corpus/documents/", "corpus/pieces/train/", "corpus/pieces/held_out/",
    "corpus/dropped.jsonl", "corpus/dataset_dict.json", "corpus/train/state.json",
    "corpus/train/dataset_info.json", "corpus/held_out/state.json",
    "corpus/held_out/dataset_info.json",
)  # fmt: skip
"""What a corpus has for `inspect` (the first three) and for other libraries, unread by training."""


def _readers(root: Path) -> list[tuple[tuple[str, ...], list[str], Outcome | None]]:
    """Commands, the files that each reads, and what it leaves."""
    everything, model = _files(root, "corpus"), _files(root, "model")
    corpus = [name for name in everything if not name.startswith(_OF_DOCUMENTS)]
    of_documents = [name for name in everything if name.startswith(_OF_DOCUMENTS[:3])]
    finished = [*_READ_BY_COMPARE[:3], *_files(root, "run/checkpoint-4")]
    return [
        (_TRAIN, corpus, _run_left("new")),
        (_from_model("model.config=model/config.json"), ["model/config.json"], None),
        (_from_model("model.warm_start=model"), model, None),
        (("preview", "corpus"), corpus, None),
        (("inspect", "corpus"), [*corpus, *of_documents], None),
        (("inspect", "corpus", "--text", "3"), [*corpus, *of_documents], None),
        (("preview", "corpus", "--recipe", "recipe.yaml"), ["recipe.yaml"], None),
        (("recipes", "recipe.yaml"), ["recipe.yaml"], None),
        (("resume", "stopped"), _files(root, "stopped"), _run_left("stopped")),
        (
            ("resume", "run", "training.max_steps=5", "--out", "more"),
            finished,
            lambda world, _: (world / "more" / "model" / "model.safetensors").read_bytes(),
        ),
        (_COMPARE, list(_READ_BY_COMPARE), None),
        (("evaluate", "run", *_PAIRS), ["run/run.yaml", *_files(root, "run/model")], None),
        (("evaluate", "evaluated", *_PAIRS), ["evaluated/evaluation/pairs--final.json"], None),
        (_HELD_OUT, corpus, None),
        (("score", "model", "The river paints a stone."), model, None),
        (("score", "sharded", "The river paints a stone."), _files(root, "sharded"), None),
        (("score", "model", "--file", "lines.txt"), ["lines.txt"], None),
        (("fill", "model", "The [MASK] paints."), model, None),
        *_readers_of_texts(root),
        *_readers_of_tasks(root),
        *_readers_of_columns(root),
        *_readers_of_studies(root),
    ]


def _readers_of_columns(root: Path) -> list[tuple[tuple[str, ...], list[str], Outcome | None]]:
    columns = "annotated/columns"
    by_class = [*_files(root, f"{columns}/terms"), *_files(root, f"{columns}/phrases")]
    lists = [
        ("list:terms.txt", "class"),
        ("list:terms.txt", "group"),
        ("list:scores.txt", "weight"),
    ]
    spans = [(f"file:spans.{ending}", "class") for ending in ("jsonl", "parquet")]
    return [
        (_BY_CLASS, by_class, _run_left("new")),
        (_BY_WEIGHT, _files(root, f"{columns}/scores"), _run_left("new")),
        (("preview", *_BY_CLASS[1:2], *_BY_CLASS[-2:]), by_class, None),
        (("inspect", "annotated"), _files(root, columns), None),
        *(
            (_annotating(source, kind), [source.partition(":")[2]], None)
            for source, kind in (*lists, *spans)
        ),
        (
            _annotating("list:terms.txt", "class"),
            [*_files(root, "annotated/train"), *_files(root, "annotated/tokenizer")],
            lambda world, _: (world / "annotated/columns/new/column.json").read_bytes(),
        ),
        *(
            (_by_entries(f"entries.{ending}"), [f"entries.{ending}"], None)
            for ending in ("tsv", "json")
        ),
    ]


def _readers_of_studies(root: Path) -> list[tuple[tuple[str, ...], list[str], Outcome | None]]:
    """What the state of a study is read from, and the sums that a comparison of its arms reads."""
    read = (
        "definition.yaml", "step_costs.json", "seed-0.jsonl", "run.yaml", "metrics.jsonl",
        "arms.json",
    )  # fmt: skip
    everything = _files(root, "study")
    files = [name for name in everything if Path(name).name in read]
    sums = [name for name in everything if Path(name).suffix == ".npz"]
    arms = [str(Path(name).parents[1]) for name in sums]
    return [
        (("study", "status", "study"), files, None),
        (("compare", *arms, "--out", "report"), sums, lambda _, output: output),
    ]


def _readers_of_texts(root: Path) -> list[tuple[tuple[str, ...], list[str], Outcome | None]]:
    zipped = [f"zipped.txt.{ending}" for ending in ("gz", "xz", "bz2", "zst")]
    tables = [
        f"text.{ending}" for ending in ("jsonl", "jsonl.gz", "csv", "tsv", "parquet", "arrow")
    ]
    others = _WITH_TOKENIZER[2:]
    tagged = ("--words", "tagger", "--tagger")
    return [
        ((*_PREPARE, "--vocab-size", "200"), ["tale.txt", CLAIM], None),
        (_WITH_TOKENIZER, ["tale.txt", *_files(root, "corpus/tokenizer")], None),
        (
            (*_WITH_TOKENIZER, "--extend-vocabulary", "words.txt", "--tagger", "none"),
            ["words.txt"],
            None,
        ),
        *((("prepare", name, *others), [name], None) for name in zipped),
        *((("prepare", name, *others, "--text-field", "text"), [name], None) for name in tables),
        (("prepare", "sources.yaml", *others), ["sources.yaml", "text.jsonl"], None),
        (
            ("prepare", "tasks/pos/train.conllu", *others, *tagged, "conllu"),
            ["tasks/pos/train.conllu"],
            None,
        ),
        (
            ("prepare", "tasks/ner/train.tsv", *others, *tagged, "column:1"),
            ["tasks/ner/train.tsv"],
            None,
        ),
        (
            ("prepare", "tasks/saved", *others, "--text-field", "sentence"),
            _files(root, "tasks/saved"),
            None,
        ),
        (("prepare", "--again", "corpus", "--out", "made"), ["corpus/manifest.json"], None),
    ]


def _readers_of_tasks(root: Path) -> list[tuple[tuple[str, ...], list[str], Outcome | None]]:
    return [
        (_task("sst2", "sst2"), _files(root, "tasks/sst2"), None),
        (_task("sst2", "saved"), _files(root, "tasks/saved"), None),
        (_task("conll2003", "ner"), _files(root, "tasks/ner"), None),
        (_task("squad", "squad"), _files(root, "tasks/squad"), None),
        (_task("squad", "official"), _files(root, "tasks/official"), None),
        (_task("pairs", "pairs.jsonl"), ["tasks/pairs.jsonl"], None),
        (_task("pairs", "pairs.tsv"), ["tasks/pairs.tsv"], None),
        (_task("pairs", "pairs.csv"), ["tasks/pairs.csv"], None),
        ((*_EVALUATE, "--tasks", "tasks/own.yaml"), ["tasks/own.yaml"], None),
        (
            (*_EVALUATE, "--tasks", "tasks/speech.yaml"),
            ["tasks/speech.yaml", *_files(root, "tasks/pos")],
            None,
        ),
    ]


def fuzzed_files(root: Path) -> list[FuzzedFile]:
    """Every file of a world with each command that reads it."""
    text = (*mutations.BYTES, *mutations.LINES, *mutations.PLACES)
    of_ending = {
        ".json": (*text, *(mutations.json_value,) * 5),
        ".jsonl": (*text, *(mutations.json_lines_value,) * 5),
        ".yaml": (*text, *(mutations.yaml_value,) * 5),
        ".tsv": (*text, *(mutations.column_changed,) * 3),
        ".conllu": (*text, *(mutations.column_changed,) * 3),
        ".csv": text,
        ".txt": text,
        ".lock": mutations.PLACES,
        ".tmp": mutations.PLACES,
    }
    binary = (*mutations.BYTES, *mutations.PLACES)
    return [
        FuzzedFile(file, arguments, of_ending.get(_ending(file), binary), outcome)
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
    FuzzedName("tale.txt", _WITH_TOKENIZER),
    FuzzedName("made", _WITH_TOKENIZER),
    FuzzedName("corpus", ("preview", "corpus")),
    FuzzedName("new", _TRAIN),
    FuzzedName("stopped", ("resume", "stopped")),
    FuzzedName("other", _COMPARE),
    FuzzedName("report", _COMPARE),
    FuzzedName("terms.txt", _annotating("list:terms.txt", "class")),
    FuzzedName("model", ("score", "model", "The river paints a stone.")),
    FuzzedName("lines.txt", ("score", "model", "--file", "lines.txt")),
    FuzzedName("evaluated", ("evaluate", "evaluated", "--tasks", "held-out")),
    FuzzedName("recipe.yaml", ("preview", "corpus", "--recipe", "recipe.yaml")),
    FuzzedName(
        "tasks", ("evaluate", "run", "--tasks", "pairs", "--task-data", "pairs=tasks/pairs.tsv")
    ),
)
"""What a user names."""
