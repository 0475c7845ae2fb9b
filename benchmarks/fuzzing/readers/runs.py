"""Who reads a corpus, a recipe and a run: training, its previews, its comparison, its upload."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fuzzing.fuzzed import FuzzedName, Outcome, Reader, files_in, run_left
from benchmarks.fuzzing.surroundings import pushed
from benchmarks.reliability import small_run

TRAIN = (
    "pretrain", "corpus", "--out", "new", "--recipe", "ptw-mrd", *small_run.SETTINGS,
    "training.max_steps=2", "training.report_to=none",
)  # fmt: skip
_COMPARE = ("compare", "run", "other", "--out", "report")
_PUSH = ("push", "run", "--to", "ada/tides")
_PUSH_CHECKPOINT = ("push", "evaluated", "--to", "ada/early", "--checkpoint", "2")
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
    FuzzedName("run", _PUSH),
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
        *_readers_for_the_hub(root),
    ]


def _readers_for_the_hub(root: Path) -> list[Reader]:
    """What is uploaded of a run; a card, settings and names of inputs may be the user's own."""
    own = _of_run(
        "run", "run.yaml", "metrics.jsonl", "model/README.md", "model/tokenizer_config.json"
    )
    saved = [*files_in(root, "run/model"), "run/evaluation/held-out--final.json"]
    into_card = _of_run(
        "evaluated", "run.yaml", "metrics.jsonl", "environment.json",
        "evaluation/held-out--checkpoint-2.json",
    )  # fmt: skip
    return [
        (_PUSH, [name for name in saved if name not in own], pushed),
        (_PUSH, own, None),
        (_PUSH_CHECKPOINT, files_in(root, "evaluated/checkpoint-2"), pushed),
        (_PUSH_CHECKPOINT, into_card, None),
    ]


def _from_model(setting: str) -> tuple[str, ...]:
    """Train from what is in the directory of a model, without a size."""
    return (*(part for part in TRAIN if part != "model.size=bert-tiny"), setting)


def _of_run(run: str, *names: str) -> list[str]:
    return [f"{run}/{name}" for name in names]


def _weights_of(run: str) -> Outcome:
    return lambda world, _: (world / run / "model" / "model.safetensors").read_bytes()
