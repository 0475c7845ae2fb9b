"""What is kept of every example gives, once read again, the metrics of its result."""

from __future__ import annotations

import json
import string
from collections import defaultdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from small_tasks import QUICK, rows, text_task, tiny_model_under_test, write_rows
from tidemask.evaluation.result_store import ResultStore
from tidemask.evaluation.seed_results import seed_results
from tidemask.evaluation_files import arrays_beside, read_evaluation, read_predictions
from tidemask.progress import ignore
from tidemask.run_record import RunDirectory
from tidemask.run_record.predictions import (
    MAX_LOGITS,
    AnswerPredictions,
    LabelPredictions,
    NumberPredictions,
    PairPredictions,
    TagPredictions,
    of_split,
    predictions_by_split,
)
from tidemask.tasks.data import TaskData
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.squad.task import SquadSettings, SquadTask
from tidemask.tasks.tagging.data import TaggingTaskSettings
from tidemask.tasks.tagging.task import TaggingTask
from tidemask.tasks.task import Task
from tidemask.tasks.zero_shot.minimal_pairs import MinimalPairsTask

_T = TypeVar("_T")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelUnderTest:
    return tiny_model_under_test(tmp_path_factory.mktemp("model"))


def _kept(
    task: Task, model: ModelUnderTest, root: Path, kind: type[_T], seed: int | None = 0
) -> tuple[dict[str, _T], dict[str, Any]]:
    """The predictions that an evaluation leaves in files, by split, and the metrics beside them."""
    run = RunDirectory(root / "run")
    store = ResultStore.of(run, task, "final", model={}, model_type="bert", versions={})
    next(seed_results(task, model, store, ignore))
    found = read_predictions(run, task.name, "final", seed)
    for kept in found.values():
        assert isinstance(kept, kind)
    return found, read_evaluation(run, run.result(task.name, "final", seed)).metrics  # type: ignore[return-value]


def test_predictions_of_a_classification_give_its_metrics(
    model: ModelUnderTest, tmp_path: Path
) -> None:
    data = write_rows(tmp_path, train=rows(64), dev=rows(90, seed=1), test=rows(41, seed=2))
    names = ("accuracy", "f1_macro", "matthews_correlation")
    kept, found = _kept(text_task(data, metrics=names), model, tmp_path, LabelPredictions)
    assert kept.keys() == {"dev", "test"}
    for split, prefix in (("dev", ""), ("test", "test/")):
        truth = [row["label"] for row in rows(90 if split == "dev" else 41, seed=1 + bool(prefix))]
        assert kept[split].labels.tolist() == truth
        logits = kept[split].logits
        assert logits is not None
        scores = (
            metrics.accuracy_score(truth, logits.argmax(axis=1)),
            metrics.f1_score(truth, kept[split].predicted, average="macro"),
            metrics.matthews_corrcoef(truth, kept[split].predicted),
        )
        assert scores == pytest.approx([found[prefix + name] for name in names], abs=1e-12)
        assert kept[split].is_right.mean() == found[f"{prefix}accuracy"]


def test_predictions_of_a_regression_give_its_metrics(
    model: ModelUnderTest, tmp_path: Path
) -> None:
    dev = [{**row, "label": row["label"] + n / 7} for n, row in enumerate(rows(40, seed=1))]
    data = write_rows(tmp_path, train=rows(32), dev=dev)
    task = text_task(data, kind="regression", metrics=("spearman", "pearson"))
    kept, found = _kept(task, model, tmp_path, NumberPredictions)
    assert kept["dev"].labels.tolist() == [row["label"] for row in dev]
    ranks = (stats.rankdata(side) for side in (kept["dev"].predicted, kept["dev"].labels))
    assert np.corrcoef(*ranks)[0, 1] == pytest.approx(found["spearman"], abs=1e-9)
    pearson = np.corrcoef(kept["dev"].predicted, kept["dev"].labels)[0, 1]
    assert pearson == pytest.approx(found["pearson"], abs=1e-6)


def _entities(sentences: list[list[str]]) -> set[tuple[int, int, int, str]]:
    """Sentence, first word, end and type; an `I-X` that continues no X begins one."""
    found = set()
    for number, tags in enumerate(sentences):
        start, kind = 0, ""
        for place, tag in enumerate([*tags, "O"]):
            if kind and tag != f"I-{kind}":
                found.add((number, start, place, kind))
                kind = ""
            if tag != "O" and not kind:
                start, kind = place, tag[2:]
    return found


def test_predictions_of_tags_give_the_scores_of_entities(
    model: ModelUnderTest, tmp_path: Path
) -> None:
    tags = {1: "B-PER", 2: "I-PER", 4: "B-LOC"}
    for split, number in (("train", 30), ("dev", 25)):
        words = [row["sentence"].split() for row in rows(number, seed=number)]
        lines = [
            json.dumps({"tokens": w, "ner_tags": [tags.get(n, "O") for n in range(len(w))]})
            for w in words
        ]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    task = TaggingTask(
        TaggingTaskSettings(name="own"), TaskData(task="own", directory=tmp_path), QUICK
    )
    kept, found = _kept(task, model, tmp_path, TagPredictions)
    dev = kept["dev"]
    truth, best = (_entities(dev.sentences(side)) for side in (dev.labels, dev.predicted))
    assert len(dev.ends) == 25
    assert [len(sentence) for sentence in dev.sentences(dev.labels)] == list(map(len, words))
    right = len(truth & best)
    assert right / len(truth) == pytest.approx(found["recall"])
    assert right / max(len(best), 1) == pytest.approx(found["precision"])
    assert 2 * right / (len(truth) + len(best)) == pytest.approx(found["f1"])
    assert metrics.accuracy_score(dev.labels, dev.predicted) == pytest.approx(found["accuracy"])


@pytest.mark.parametrize("version", [1, 2])
def test_predictions_of_answers_give_the_exact_matches(
    model: ModelUnderTest, tmp_path: Path, version: int
) -> None:
    def plain(text: str) -> str:
        word = text.lower().strip(string.punctuation)
        return "" if word in ("a", "the") else word

    sentences = [row["sentence"] for row in rows(24)]
    answers = [
        [] if version == 2 and n % 3 == 0 else [w for w in sentence.split()[::2] if plain(w)]
        for n, sentence in enumerate(sentences)
    ]
    asked = [
        {"id": str(n), "context": sentence, "question": "who?",
         "answers": {"text": gold, "answer_start": [sentence.index(a) for a in gold]}}
        for n, (sentence, gold) in enumerate(zip(sentences, answers, strict=True))
    ]  # fmt: skip
    write_rows(tmp_path, train=asked, dev=asked)
    name = {1: "squad", 2: "squad_v2"}[version]
    settings = SquadSettings(max_length=24, max_answer_length=1)
    task = SquadTask(name, settings, TaskData(task=name, directory=tmp_path), QUICK)
    kept, found = _kept(task, model, tmp_path, AnswerPredictions)
    dev = kept["dev"]
    difference = dev.no_answer_difference
    assert (difference is None) == (version == 1)
    left = np.zeros(24, bool) if difference is None else difference > 0
    for answer, sentence in zip(dev.answers, sentences, strict=True):
        assert answer in sentence

    right = [
        ("" if is_left else plain(answer)) in (list(map(plain, gold)) or [""])
        for answer, gold, is_left in zip(dev.answers, answers, left, strict=True)
    ]
    assert np.mean(right) == pytest.approx(found["exact_match"])


def test_predictions_of_minimal_pairs_give_their_accuracy(
    model: ModelUnderTest, tmp_path: Path
) -> None:
    words = [row["sentence"].split() for row in rows(20)]
    lines = [
        {"sentence_good": " ".join(w), "sentence_bad": " ".join(w[::-1]), "UID": f"p{n % 3}"}
        for n, w in enumerate(words)
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    task = MinimalPairsTask(path=tmp_path / "own.jsonl")
    kept, found = _kept(task, model, tmp_path, PairPredictions, None)
    pairs = kept["pairs"]
    right = defaultdict(list)
    for line, good, bad in zip(lines, pairs.good, pairs.bad, strict=True):
        right[line["UID"]].append(good > bad)
    assert np.mean([np.mean(rows) for rows in right.values()]) == pytest.approx(found["accuracy"])
    assert pairs.is_right.mean() == pytest.approx(found["micro_accuracy"])
    names = [pairs.paradigms[number] for number in pairs.paradigm]
    assert names == [line["UID"] for line in lines]


def test_predictions_of_a_split_that_is_large_have_no_logits() -> None:
    """Those of logits that float16 cannot hold stay finite."""
    labels = np.zeros(MAX_LOGITS // 2 + 1, np.int64)
    logits = np.full((len(labels), 2), [1e9, -1e9], np.float32)
    large, small = (LabelPredictions.of(logits[n:], labels[n:]) for n in (0, 1))
    assert large.logits is None
    assert small.logits is not None
    assert np.isfinite(small.logits).all()
    for kept in (large, small):
        again = predictions_by_split(of_split("dev", kept))["dev"]
        assert isinstance(again, LabelPredictions)
        assert (again.logits is None) == (kept.logits is None)
        assert again.is_right.all()


def test_predictions_keep_texts_of_all_letters() -> None:
    kept = AnswerPredictions(answers=("", "naïve\0", "日本", "\ud800", ""))
    assert predictions_by_split(of_split("dev", kept)) == {"dev": kept}
    assert predictions_by_split({"sums": np.zeros(3)}) == {}
    wrong = {**of_split("dev", kept), "dev/no_answer_difference": np.zeros(4)}
    with pytest.raises(ValueError, match=r"no_answer_difference has the length 4\. Expected 5"):
        predictions_by_split(wrong)


def test_predictions_of_results_without_any_are_empty(tmp_path: Path) -> None:
    assert read_predictions(RunDirectory(tmp_path), "sst2", "final", 0) == {}
    assert not arrays_beside(RunDirectory(tmp_path).result("sst2", "final", 0)).exists()
