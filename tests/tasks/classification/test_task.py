"""Text tasks end to end, and what is wrong with their data."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding

from cases import random_examples
from small_tasks import QUICK, rows, text_task, tiny_model_under_test, write_rows
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.errors import UserError
from tidemask.progress import ignore
from tidemask.run_record import GLUE_TASKS
from tidemask.tasks.classification.features import TextTaskSettings, text_features
from tidemask.tasks.classification.glue import GLUE
from tidemask.tasks.examples import Example, fixed_subset
from tidemask.tasks.fine_tuning import FineTuneSettings, fine_tune
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.predicting import predict
from tidemask.tasks.task import DivergedError
from tokenizer_kinds import BEGIN, END, MASK, tokenizer_of


@pytest.fixture(scope="module")
def model_under_test(tmp_path_factory: pytest.TempPathFactory) -> ModelUnderTest:
    return tiny_model_under_test(tmp_path_factory.mktemp("model"))


@pytest.mark.slow
def test_classification_learns_what_can_be_learned(
    model_under_test: ModelUnderTest, tmp_path: Path
) -> None:
    settings = FineTuneSettings(epochs=4, batch_size=16, learning_rates=(3e-3,), max_length=24)
    data = write_rows(tmp_path, train=rows(400), dev=rows(100, seed=1), test=rows(50, seed=2))
    task = text_task(data, settings, metrics=("accuracy", "matthews_correlation"))
    measured = task.trial(model_under_test, seed=0, learning_rate=3e-3, on_progress=ignore)
    assert measured.metrics["accuracy"] > 0.95
    assert measured.metrics["test/accuracy"] > 0.95
    assert measured.metrics["matthews_correlation"] > 0.9


@pytest.mark.slow
def test_classification_regression_learns_a_number(
    model_under_test: ModelUnderTest, tmp_path: Path
) -> None:
    settings = FineTuneSettings(epochs=8, batch_size=16, learning_rates=(3e-3,), max_length=24)
    rng = random.Random(0)
    examples = [{**row, "label": row["label"] + rng.random() / 3} for row in rows(500)]
    data = write_rows(tmp_path, train=examples[:400], dev=examples[400:])
    task = text_task(data, settings, kind="regression", metrics=("spearman", "pearson"))
    measured = task.trial(model_under_test, seed=0, learning_rate=3e-3, on_progress=ignore)
    assert measured.metrics["pearson"] > 0.8
    assert task.main_metric == "spearman"


@pytest.mark.slow
def test_classification_repeats_itself_by_seed_and_keeps_generators(
    model_under_test: ModelUnderTest, tmp_path: Path
) -> None:
    task = text_task(write_rows(tmp_path, train=rows(64), dev=rows(40, seed=1)))
    seen: list[tuple[str, int, int | None]] = []
    first = _logits(model_under_test, task, 0)
    task.trial(
        model_under_test, seed=0, learning_rate=1e-3, on_progress=ignore
    )  # a library may draw
    states = torch.random.get_rng_state(), random.getstate(), _legacy_state()  # when imported
    task.trial(
        model_under_test, seed=0, learning_rate=1e-3, on_progress=lambda *call: seen.append(call)
    )
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert _legacy_state() == states[2]
    assert ("fine-tuning", 2, 2) in seen
    assert ("predicting", 40, 40) in seen
    assert np.array_equal(first, _logits(model_under_test, task, 0))
    assert not np.array_equal(first, _logits(model_under_test, task, 1))
    other = ModelUnderTest(
        directory=model_under_test.directory,
        tokenizer_directory=model_under_test.directory,
        is_random=True,
    )
    assert not np.array_equal(first, _logits(other, task, 0))


def _legacy_state() -> list[int]:
    """Of the generator that the Trainer seeds."""
    return np.random.get_state()[1].tolist()  # noqa: NPY002


def _logits(model_under_test: ModelUnderTest, task: Any, seed: int) -> Any:
    features = task.make_features(model_under_test)
    collator = DataCollatorWithPadding(model_under_test.tokenizer)
    model = model_under_test.with_head(AutoModelForSequenceClassification, seed=seed, num_labels=2)
    fine_tune(model, features.train, QUICK, collator=collator, learning_rate=1e-3, seed=seed)
    return np.stack(predict(model, features.scored["dev"], collator=collator)["logits"])


def test_classification_predicts_in_float32_after_fine_tuning_in_bf16(
    model_under_test: ModelUnderTest, tmp_path: Path
) -> None:
    task = text_task(write_rows(tmp_path, train=rows(64), dev=rows(40, seed=1)))
    features = task.make_features(model_under_test)
    collator = DataCollatorWithPadding(model_under_test.tokenizer)
    head = {"auto_class": AutoModelForSequenceClassification, "seed": 0, "num_labels": 2}
    tuned, fresh = (model_under_test.with_head(**head) for _ in range(2))
    settings = dataclasses.replace(QUICK, precision="bf16")
    fine_tune(tuned, features.train, settings, collator=collator, learning_rate=1e-3, seed=0)
    fresh.load_state_dict(tuned.state_dict())
    found, expected = (
        np.stack(predict(model, features.scored["dev"], collator=collator)["logits"])
        for model in (tuned, fresh)
    )
    assert np.array_equal(found, expected)


def test_classification_predicts_the_same_alone_and_in_batches(
    model_under_test: ModelUnderTest, tmp_path: Path
) -> None:
    task = text_task(write_rows(tmp_path, train=rows(8), dev=rows(30, seed=1)))
    features = task.make_features(model_under_test).scored["dev"]
    collator = DataCollatorWithPadding(model_under_test.tokenizer)
    model = model_under_test.with_head(AutoModelForSequenceClassification, seed=0, num_labels=2)
    together, alone = (
        predict(model, features, collator=collator, batch_size=size)["logits"] for size in (16, 1)
    )
    np.testing.assert_allclose(np.stack(together), np.stack(alone), atol=1e-5)


@pytest.mark.parametrize("name", ["roberta", "distilbert", "modernbert"])
def test_classification_runs_on_other_architectures(name: str, tmp_path: Path) -> None:
    changes = {"cls_token_id": 2, "sep_token_id": 3} if name == "modernbert" else {}
    model_under_test = tiny_model_under_test(tmp_path / "model", name, **changes)
    pair = [{"a": row["sentence"], "b": "the river", "label": row["label"]} for row in rows(20)]
    data = write_rows(tmp_path / "data", train=pair, dev=pair)
    measured = text_task(data, text=("a", "b")).trial(
        model_under_test, seed=0, learning_rate=1e-3, on_progress=ignore
    )
    assert 0.0 <= measured.metrics["accuracy"] <= 1.0


def test_classification_without_train_splits_dev_by_group_and_says_so(
    model_under_test: ModelUnderTest, tmp_path: Path
) -> None:
    examples = [
        {"question": f"q{i // 2}", "sentence": "a river", "label": i % 2} for i in range(80)
    ]
    task = text_task(write_rows(tmp_path, dev=examples), text=("question", "sentence"))
    features = task.make_features(model_under_test)
    assert len(features.train) + len(features.scored["dev"]) == 80
    assert "no train split: dev was split by question" in features.notes[0]


@pytest.mark.parametrize(
    ("kind", "metrics"),
    [("regression", ("spearman", "pearson")), ("classification", ("matthews_correlation",))],
)
def test_classification_says_where_equal_labels_leave_a_metric_undefined(
    kind: str, metrics: tuple[str, ...], model_under_test: ModelUnderTest, tmp_path: Path
) -> None:
    data = write_rows(tmp_path, train=rows(8), dev=rows(4), test=rows(8)[:1])
    task = text_task(data, kind=kind, metrics=metrics)
    measured = task.trial(model_under_test, seed=0, learning_rate=1e-3, on_progress=ignore)
    assert [measured.metrics[f"test/{name}"] for name in metrics] == [0.0] * len(metrics)
    undefined = [note for note in measured.notes if "undefined" in note]
    assert undefined
    assert undefined[0].startswith(f"test: {' and '.join(metrics)} ")


def test_classification_labels_by_name_number_or_as_found(
    model_under_test: ModelUnderTest, tmp_path: Path
) -> None:
    named = [{**row, "label": ("dry", "wet")[row["label"]]} for row in rows(20)]
    for directory, examples, labels in (
        (tmp_path / "names", named, ("dry", "wet")),
        (tmp_path / "numbers", rows(20), ("dry", "wet")),
        (tmp_path / "found", named, ()),
        (tmp_path / "truth", [{**row, "label": bool(row["label"])} for row in rows(20)], ()),
    ):
        task = text_task(write_rows(directory, train=examples, dev=examples), labels=labels)
        features = task.make_features(model_under_test).train
        assert [feature["labels"] for feature in features] == [row["label"] for row in rows(20)]


def test_classification_counts_what_is_too_long(
    model_under_test: ModelUnderTest, tmp_path: Path
) -> None:
    long = [{"sentence": "river " * 50, "label": 1}, {"sentence": "stone", "label": 0}]
    task = text_task(write_rows(tmp_path, train=long, dev=long[:1]))
    features = task.make_features(model_under_test)
    assert [len(feature["input_ids"]) for feature in features.train] == [24, 3]
    assert features.notes == ("1 of 1 scored examples are longer than 24 tokens and were cut.",)


@random_examples(50)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=2), st.integers(6, 40))
def test_classification_cuts_as_the_tokenizer_does(words: list[int], max_length: int) -> None:
    tokenizer = tokenizer_of(
        "wordpiece", template=("<s> $A </s>", "<s> $A </s> $B:1 </s>:1"), cls_token="<s>"
    )
    fields = ("first", "second")[: len(words)]
    texts = ["river " * number for number in words]
    task = TextTaskSettings(name="cut", text=fields)
    example = Example({**dict(zip(fields, texts, strict=True)), "label": 0}, "here")
    for side in ("right", "left"):
        tokenizer.truncation_side = side
        ((feature,), num_cut) = text_features(
            [example], task, (0, 1), tokenizer, max_length, with_token_types=True
        )
        columns = [[text] for text in texts]
        own = tokenizer(
            *columns, truncation=True, max_length=max_length, return_token_type_ids=True
        )
        assert [feature["input_ids"]] == own["input_ids"]
        types = own["token_type_ids"][0]
        assert feature.get("token_type_ids", types) == types
        assert num_cut == (len(tokenizer(*columns)["input_ids"][0]) > max_length)
    with pytest.raises(UserError, match=r"max_length=2. Expected room"):
        text_features([example], task, (0, 1), tokenizer, 2, with_token_types=True)


@pytest.mark.parametrize("kind", ["wordpiece", "unigram"])
def test_classification_takes_letters_of_a_special_token_as_text(kind: str) -> None:
    """As preparation does; Unigram has them in its own vocabulary, and reads them as unknown."""
    tokenizer = tokenizer_of(kind, template=("<s> $A </s>", "<s> $A </s> $B </s>"), cls_token="<s>")
    text = "the <s> river <mask> the </s>"
    example = Example({"sentence": text, "label": 0}, "here")
    task = TextTaskSettings(name="letters")
    ((feature,), _) = text_features([example], task, (0, 1), tokenizer, 64, with_token_types=False)
    (prepared,) = CorpusTokenizer(tokenizer).encoder().encode([text])
    assert feature["input_ids"] == [BEGIN, *prepared.ids.tolist(), END]
    assert not {BEGIN, END, MASK} & set(feature["input_ids"][1:-1])


def test_classification_leaves_out_a_test_split_that_keeps_its_labels_back(
    model_under_test: ModelUnderTest, tmp_path: Path
) -> None:
    hidden = [{**row, "label": -1} for row in rows(5)]
    data = write_rows(tmp_path, train=rows(5), dev=rows(5), dev_mismatched=rows(3), test=hidden)
    splits = text_task(data).make_features(model_under_test).scored
    assert list(splits) == ["dev", "dev_mismatched"]


@pytest.mark.parametrize(
    ("splits", "settings", "problem"),
    [
        ({"train": rows(4)}, {}, "no dev split"),
        ({"train": rows(4), "dev": [{"sentence": "a"}]}, {}, "dev.jsonl, line 1 has no label"),
        (
            {"train": rows(4), "dev": [{"sentence": "a", "label": 2}]},
            {"labels": (0, 1)},
            r"line 1: label=2. Expected one of 0, 1",
        ),
        ({"train": rows(4), "dev": rows(2)}, {"text": ("premise",)}, "line 1 has no premise"),
        ({"train": [{"sentence": "a", "label": 1}] * 2, "dev": rows(2)}, {}, "one label only"),
        ({"train": rows(4), "dev": [{"sentence": "a", "label": [1]}]}, {}, r"label=\[1\]"),
        (
            {"train": rows(4), "dev": [{"sentence": "\ud800", "label": 1}]},
            {},
            "line 1: half of a surrogate pair",
        ),
        (
            {"train": [{"sentence": "a", "label": n} for n in range(3)], "dev": rows(2)},
            {"metrics": ("f1",)},
            "f1 of 3 labels",
        ),
        (
            {"train": [{"sentence": "a", "label": "x"}], "dev": rows(2)},
            {"kind": "regression", "metrics": ("pearson",)},
            "label='x'. Expected a number",
        ),
        (
            {"dev": [{"sentence": "a", "label": n / 4} for n in range(4)]},
            {"kind": "regression", "metrics": ("pearson",)},
            "too few examples to split.*dev, split by sentence, has none",
        ),
    ],
)
def test_classification_refuses_data_in_one_line(
    splits: dict[str, Any],
    settings: dict[str, Any],
    problem: str,
    model_under_test: ModelUnderTest,
    tmp_path: Path,
) -> None:
    task = text_task(write_rows(tmp_path, **splits), **settings)
    with pytest.raises(UserError, match=problem) as caught:
        task.trial(model_under_test, seed=0, learning_rate=1e-3, on_progress=ignore)
    assert "\n" not in str(caught.value)


def test_classification_refuses_a_tokenizer_of_another_model(tmp_path: Path) -> None:
    model_under_test = tiny_model_under_test(tmp_path, vocab_size=20)
    with pytest.raises(UserError, match=r"tokenizer of another model.*vocab_size=20"):
        _ = model_under_test.tokenizer


def test_classification_settings_are_checked() -> None:
    for wrong, problem in (
        ({"text": ()}, "text="),
        ({"metrics": ("pearson",)}, "metrics=pearson"),
        ({"name": "team/x"}, "name='team/x'"),
        ({"labels": (1,)}, "labels="),
        ({"labels": (0, 1, 2), "metrics": ("f1",)}, "f1_macro"),
    ):
        with pytest.raises(ValueError, match=problem):
            TextTaskSettings(**{"name": "x", **wrong})
    for wrong in ({"epochs": 0.0}, {"num_seeds": 0}, {"learning_rates": ()}, {"batch_size": 0}):
        with pytest.raises(ValueError, match="Expected"):
            FineTuneSettings(**wrong)
    assert FineTuneSettings(learning_rates=(3e-4, 1e-4)).learning_rates == (1e-4, 3e-4)


def test_classification_glue_has_its_nine_tasks_in_their_order() -> None:
    assert tuple(GLUE) == GLUE_TASKS


def test_classification_subset_is_fixed_and_without_repeats() -> None:
    examples = [Example({"n": n}, "") for n in range(50)]
    some = fixed_subset(examples, 10)
    assert some == fixed_subset(examples, 10)
    assert len({example.fields["n"] for example in some}) == 10
    assert fixed_subset(examples, 0) == fixed_subset(examples, 99) == examples


def test_classification_refuses_weights_of_another_architecture(tmp_path: Path) -> None:
    model_under_test = tiny_model_under_test(tmp_path / "bert")
    other = tiny_model_under_test(tmp_path / "distilbert", "distilbert")
    for path in model_under_test.directory.glob("*.safetensors"):
        path.write_bytes((other.directory / path.name).read_bytes())
    data = write_rows(tmp_path / "data", train=rows(8), dev=rows(4))
    with pytest.raises(UserError, match="no weights of this model"):
        text_task(data).trial(model_under_test, seed=0, learning_rate=1e-3, on_progress=ignore)


def test_classification_says_when_a_model_diverged(
    model_under_test: ModelUnderTest, tmp_path: Path
) -> None:
    task = text_task(write_rows(tmp_path, train=rows(64), dev=rows(8)))
    with pytest.raises(DivergedError, match="diverged"):
        task.trial(model_under_test, seed=0, learning_rate=1e30, on_progress=ignore)


def test_classification_fingerprint_of_a_model_is_of_its_tokenizer_too(tmp_path: Path) -> None:
    one, other = (tiny_model_under_test(tmp_path / name) for name in ("one", "other"))
    weights = "model.safetensors"
    (other.directory / weights).write_bytes((one.directory / weights).read_bytes())
    assert one.fingerprint == other.fingerprint
    path = other.directory / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    a, b = list(vocabulary)[-2:]
    vocabulary[a], vocabulary[b] = vocabulary[b], vocabulary[a]
    path.write_text(json.dumps(content))
    for is_random in (False, True):
        first, second = (
            ModelUnderTest(
                directory=one.directory, tokenizer_directory=tokenizer, is_random=is_random
            ).fingerprint
            for tokenizer in (one.directory, other.directory)
        )
        assert first != second
