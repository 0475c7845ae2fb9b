"""A small world: one of every file that the program reads, sound, as the program writes them."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import random
import shutil
import sys
from pathlib import Path

from benchmarks import ROOT
from benchmarks.fuzzing.searches import write_searches
from benchmarks.fuzzing.studies import write_study
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
    _write_texts(root, _text(12))
    pairs = root / "tasks" / "pairs.jsonl"
    evaluate(root / "evaluated", tasks="pairs", task_data={"pairs": pairs}, progress=False)
    evaluate(root / "evaluated", tasks="held-out", checkpoints=[2], progress=False)
    (root / "lines.txt").write_text("The river paints a stone.\nShe leaves it.\n", encoding="utf-8")
    (root / CLAIM).write_text("", encoding="utf-8")
    _save_in_shards(root / "model", root / "sharded")
    _annotate(root, corpus)
    write_study(root, corpus, "training.max_steps=2", "training.logging_steps=1")
    write_searches(root, corpus)


def _annotate(root: Path, corpus: Path) -> None:
    """A corpus with a column of each kind, and the files that columns and weights are from."""
    from tidemask import annotate

    annotated = root / "annotated"
    shutil.copytree(corpus, annotated)
    (root / "terms.txt").write_text("river\tWATER\nstone\tTHING\nthe river\tPLACE\n", "utf-8")
    (root / "scores.txt").write_text("river\t2.5\nstone\t1\nthe\t0.5\n", "utf-8")
    (root / "entries.tsv").write_text("river\t3.0\nstone\t2.0\nthe\t0.5\n", "utf-8")
    (root / "entries.json").write_text('{"river": 3.0, "stone": 2.0, "the": 0.5}', "utf-8")
    spans: list[dict[str, object]] = [
        {"document": 0, "begin": 3 * n, "end": 3 * n + 2, "value": f"KIND-{n % 2}"}
        for n in range(12)
    ]
    _write_lines(root / "spans.jsonl", spans)
    _write_table(root / "spans.parquet", spans)
    for column, kind, source in (
        ("terms", "class", "terms.txt"),
        ("phrases", "group", "terms.txt"),
        ("scores", "weight", "scores.txt"),
    ):
        annotate(
            annotated,
            column=column,
            kind=kind,
            source=f"list:{root / source}",
            workers=1,
            progress=False,
        )


def _write_table(path: Path, rows: list[dict[str, object]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), path)


def _write_texts(root: Path, text: str) -> None:
    """The same documents in every form that `prepare` reads, lists of them and of words."""
    import pyarrow as pa

    (root / "tale.txt").write_text(text, encoding="utf-8")
    plain = text.encode()
    for ending, compressed in {
        "gz": gzip.compress(plain),
        "xz": lzma.compress(plain),
        "bz2": bz2.compress(plain),
        "zst": pa.compress(plain, "zstd", asbytes=True),
    }.items():
        (root / f"zipped.txt.{ending}").write_bytes(compressed)
    rows = [
        {"text": part, "place": str(number)}
        for number, part in enumerate(text.split("\n\n"))
        if part.strip()
    ]
    _write_lines(root / "text.jsonl", list(rows))
    (root / "text.jsonl.gz").write_bytes(gzip.compress((root / "text.jsonl").read_bytes()))
    for ending, mark in (("tsv", "\t"), ("csv", ",")):
        with (root / f"text.{ending}").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "place"], delimiter=mark)
            writer.writeheader()
            writer.writerows(rows)
    _write_table(root / "text.parquet", list(rows))
    table = pa.Table.from_pylist(rows)
    with (
        pa.OSFile(str(root / "text.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as out,
    ):
        out.write_table(table)
    (root / "sources.yaml").write_text(
        "sources:\n  - {name: lines, text: text.jsonl, passes: 2, min_words: 2}\n"
        "  - {name: plain, text: [tale.txt], documents: blank-lines}\n",
        encoding="utf-8",
    )
    (root / "words.txt").write_text("riverstone\npainterly\n", encoding="utf-8")


def _save_in_shards(model: Path, directory: Path) -> None:
    """Save a model as large ones are: several files of weights, and an index of them."""
    from transformers import AutoModelForMaskedLM

    from tidemask.pretrained import from_pretrained

    loaded = from_pretrained(AutoModelForMaskedLM, model)
    loaded.save_pretrained(directory, max_shard_size="1MB")
    for path in model.glob("tokenizer*.json"):
        shutil.copy2(path, directory)
