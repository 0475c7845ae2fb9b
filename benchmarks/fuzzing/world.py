"""A small world: one of every file that the program reads, sound, as the program writes them."""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import random
import shutil
import sys
from pathlib import Path

from benchmarks import ROOT
from benchmarks.reliability import small_run

CLAIM = ".made.00000000.claim.tmp"
"""What a process leaves that was killed while it wrote `made`."""

_STEPS = ("training.max_steps=4", "training.save_steps=2", "training.logging_steps=1")


def _text(num_documents: int) -> str:
    sys.path.append(str(ROOT / "tests" / "support"))
    from prose import text

    return text(num_documents)


def _write_lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _write_tasks(root: Path) -> None:
    sentences = [line for line in _text(2).replace(". ", ".\n").split("\n") if line][:24]
    for split in ("train", "dev"):
        rows: list[dict[str, object]] = [
            {"sentence": text, "label": int("river" in text)} for text in sentences
        ]
        _write_lines(root / "sst2" / f"{split}.jsonl", rows)
        _write_tagged(root, split, sentences)
        _write_questions(root, split, sentences)
    _save_data_set(root / "saved", rows)
    _write_pairs(root, [(text, " ".join(reversed(text.split()))) for text in sentences])
    for name, kind, data in (("own", "entities", "ner"), ("speech", "words", "pos")):
        (root / f"{name}.yaml").write_text(
            f"name: {name}\nkind: {kind}\ndata: {data}\nfine_tuning: {{epochs: 1, "
            "num_seeds: 1, learning_rates: [0.001]}\n",
            encoding="utf-8",
        )


def _write_tagged(root: Path, split: str, sentences: list[str]) -> None:
    """The sentences with entities, in CoNLL columns, and with parts of speech, in CoNLL-U."""
    rng = random.Random(split)
    columns, conllu = [], []
    for text in sentences:
        words = text.split()
        columns.append(
            "".join(f"{word}\t{rng.choice(('O', 'B-PER', 'I-PER'))}\n" for word in words)
        )
        numbered = [
            "\t".join((str(n), word, "_", rng.choice(("NOUN", "VERB")), *("_" * 6)))
            for n, word in enumerate(words, start=1)
        ]
        conllu.append("\n".join((f"# text = {text}", *numbered, "")))
    for path, blocks in (
        (root / "ner" / f"{split}.tsv", columns),
        (root / "pos" / f"{split}.conllu", conllu),
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(blocks) + "\n", encoding="utf-8")


def _write_questions(root: Path, split: str, sentences: list[str]) -> None:
    """A question on each sentence, as rows and in the nested layout of the official files."""
    rows: list[dict[str, object]] = []
    paragraphs = []
    for number, text in enumerate(sentences):
        answer = text.split()[1]
        begin = text.index(answer)
        asked = {"id": str(number), "question": "Who?"}
        answers = {"text": [answer], "answer_start": [begin]}
        rows.append({**asked, "context": text, "answers": answers})
        nested = {**asked, "answers": [{"text": answer, "answer_start": begin}]}
        paragraphs.append({"context": text, "qas": [nested]})
    _write_lines(root / "squad" / f"{split}.jsonl", rows)
    official = root / "official" / f"{split}-v1.1.json"
    official.parent.mkdir(exist_ok=True)
    articles = {"version": "1.1", "data": [{"title": "All", "paragraphs": paragraphs}]}
    official.write_text(json.dumps(articles), encoding="utf-8")


def _save_data_set(root: Path, rows: list[dict[str, object]]) -> None:
    from datasets import Dataset, DatasetDict, disable_progress_bars

    disable_progress_bars()
    splits = {name: Dataset.from_list(rows) for name in ("train", "validation")}
    DatasetDict(splits).save_to_disk(str(root))


def _write_pairs(root: Path, pairs: list[tuple[str, str]]) -> None:
    _write_lines(root / "pairs.jsonl", [{"good": good, "bad": bad} for good, bad in pairs])
    for ending, mark in (("tsv", "\t"), ("csv", ",")):
        with (root / f"pairs.{ending}").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=mark).writerows(pairs)


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
    text = _text(12).encode()
    (root / "text.txt").write_bytes(text)
    (root / "zipped.txt.gz").write_bytes(gzip.compress(text))
    (root / "zipped.txt.xz").write_bytes(lzma.compress(text))
    pairs = root / "tasks" / "pairs.jsonl"
    evaluate(root / "evaluated", tasks="pairs", task_data={"pairs": pairs}, progress=False)
    (root / "lines.txt").write_text("The river paints a stone.\nShe leaves it.\n", encoding="utf-8")
    (root / CLAIM).write_text("", encoding="utf-8")
    _save_in_shards(root / "model", root / "sharded")


def _save_in_shards(model: Path, directory: Path) -> None:
    """Save a model as large ones are: several files of weights, and an index of them."""
    from transformers import AutoModelForMaskedLM

    from tidemask.pretrained import from_pretrained

    loaded = from_pretrained(AutoModelForMaskedLM, model)
    loaded.save_pretrained(directory, max_shard_size="1MB")
    for path in model.glob("tokenizer*.json"):
        shutil.copy2(path, directory)
