"""Who reads a corpus, a recipe and a run: training, previews, comparisons."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fuzzing.fuzzed import FuzzedName, Outcome, Reader, files_in, run_left
from benchmarks.reliability import small_run

TRAIN = (
    "pretrain", "corpus", "--out", "new", "--recipe", "ptw-mrd", *small_run.SETTINGS,
    "training.max_steps=2", "training.report_to=none",
)  # fmt: skip
_COMPARE = ("compare", "run", "other", "--out", "report")
_RESUME_FURTHER = ("resume", "run", "training.max_steps=5", "--out", "more")

_OF_DOCUMENTS = (
    "corpus/documents/", "corpus/pieces/train/", "corpus/pieces/held_out/",
    "corpus/dropped.jsonl", "corpus/dataset_dict.json", "corpus/train/state.json",
    "corpus/train/dataset_info.json", "corpus/held_out/state.json",
    "corpus/held_out/dataset_info.json",
)  # fmt: skip
"""What a corpus has for `inspect` (the first three) and for other libraries, unread by training."""

NAMES = (
    FuzzedName("corpus", ("preview", "corpus")),
    FuzzedName("new", TRAIN),
    FuzzedName("stopped", ("resume", "stopped")),
    FuzzedName("other", _COMPARE),
    FuzzedName("report", _COMPARE),
    FuzzedName("recipe.yaml", ("preview", "corpus", "--recipe", "recipe.yaml")),
)


def corpus_files(root: Path) -> list[str]:
    """What training and measuring read of a corpus."""
    return [name for name in files_in(root, "corpus") if not name.startswith(_OF_DOCUMENTS)]


def readers(root: Path) -> list[Reader]:
    """Commands on a corpus, a recipe or a run, the files of each, and what it leaves."""
    corpus = corpus_files(root)
    inspected = [name for name in files_in(root, "corpus") if name.startswith(_OF_DOCUMENTS[:3])]
    records = _of_run("run", "run.yaml", "environment.json", "metrics.jsonl")
    return [
        (TRAIN, corpus, run_left("new")),
        (_from_model("model.config=model/config.json"), ["model/config.json"], None),
        (_from_model("model.warm_start=model"), files_in(root, "model"), None),
        (("preview", "corpus"), corpus, None),
        (("inspect", "corpus"), [*corpus, *inspected], None),
        (("inspect", "corpus", "--text", "3"), [*corpus, *inspected], None),
        (("preview", "corpus", "--recipe", "recipe.yaml"), ["recipe.yaml"], None),
        (("recipes", "recipe.yaml"), ["recipe.yaml"], None),
        (("resume", "stopped"), files_in(root, "stopped"), run_left("stopped")),
        (_RESUME_FURTHER, [*records, *files_in(root, "run/checkpoint-4")], _weights_of("more")),
        (_COMPARE, [*records, *_of_run("run", "evaluation/held-out--final.json")], None),
    ]


def _from_model(setting: str) -> tuple[str, ...]:
    """Train from what is in the directory of a model, without a size."""
    return (*(part for part in TRAIN if part != "model.size=bert-tiny"), setting)


def _of_run(run: str, *names: str) -> list[str]:
    return [f"{run}/{name}" for name in names]


def _weights_of(run: str) -> Outcome:
    return lambda world, _: (world / run / "model" / "model.safetensors").read_bytes()
