"""The whole way: a tiny model learns generated questions by heart and is scored on them."""

import json

import pytest
import torch
from transformers import AutoConfig, AutoModelForMaskedLM, AutoModelForQuestionAnswering

from cases import one_in
from squad_texts import TOKENIZERS, questions
from tidemask.errors import UserError
from tidemask.progress import ignore
from tidemask.tasks.data import TaskData
from tidemask.tasks.fine_tuned_task import FineTunedTask
from tidemask.tasks.fine_tuning import FineTuneSettings
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.squad.task import SquadSettings, SquadTask

SHAPE = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 96,
    "max_position_embeddings": 160,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
ROBERTA = {**SHAPE, "max_position_embeddings": 66, "type_vocab_size": 1, "pad_token_id": 1}
DISTIL = {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 48, "max_position_embeddings": 64}
SMALL = {**SHAPE, "max_position_embeddings": 64, "embedding_size": 24}
MODERN = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 64,
    "local_attention": 16,
    "pad_token_id": 0,
}
DEBERTA = {
    **SHAPE,
    "max_position_embeddings": 64,
    "relative_attention": True,
    "pos_att_type": ["c2p", "p2c"],
    "type_vocab_size": 0,
}
ARCHITECTURES = {
    "bert": ("wordpiece", SHAPE),
    "roberta": ("byte_level", ROBERTA),
    "distilbert": ("wordpiece", DISTIL),
    "electra": ("wordpiece", SMALL),
    "albert": ("wordpiece", SMALL),
    "deberta-v2": ("wordpiece", DEBERTA),
    "modernbert": ("wordpiece", MODERN),
}


def model_under_test(directory, architecture="bert"):
    kind, shape = ARCHITECTURES[architecture]
    tokenizer = TOKENIZERS[kind]()
    tokenizer.save_pretrained(directory)
    config = AutoConfig.for_model(architecture, vocab_size=len(tokenizer), **shape)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        AutoModelForMaskedLM.from_config(config).save_pretrained(directory)
    return ModelUnderTest(directory=directory, tokenizer_directory=directory)


def task(directory, number, *, version=1, share_with_answer=1.0, **fine_tuning):
    """Dev and training questions are the same."""
    rows = [
        {
            "id": question.id,
            "context": question.context,
            "question": question.question,
            "answers": {"text": question.answers, "answer_start": question.answer_starts},
        }
        for question in questions(number, share_with_answer=share_with_answer)
    ]
    for split in ("train", "dev"):
        text = "\n".join(json.dumps(row) for row in rows)
        (directory / f"{split}.jsonl").write_text(text, encoding="utf-8")
    name = {1: "squad", 2: "squad_v2"}[version]
    return SquadTask(
        name,
        SquadSettings(max_length=80, doc_stride=16),
        TaskData(task=name, directory=directory),
        FineTuneSettings(**{"batch_size": 8, **fine_tuning}),
    )


@pytest.mark.parametrize("architecture", one_in(7, sorted(ARCHITECTURES)))
def test_squad_task_runs_for_every_architecture(tmp_path, architecture):
    model = model_under_test(tmp_path, architecture)
    once = task(tmp_path, 6, epochs=1)
    calls = []
    measured = once.trial(
        model, seed=0, learning_rate=1e-3, on_progress=lambda *call: calls.append(call)
    )
    assert set(measured.metrics) == {"exact_match", "f1"}
    assert 0 <= measured.metrics["exact_match"] <= measured.metrics["f1"] <= 1
    assert calls[-1][0] == "predicting"
    assert calls[-1][1] == calls[-1][2]
    if architecture != "bert":
        assert any("The model has 64 positions" in note for note in measured.notes)


@pytest.mark.slow
@pytest.mark.parametrize("version", [1, 2])
def test_squad_task_learns_questions_by_heart(tmp_path, version):
    share = {1: 1.0, 2: 0.7}[version]
    by_heart = task(tmp_path, 16, version=version, share_with_answer=share, epochs=40)
    assert isinstance(by_heart, FineTunedTask)
    model = model_under_test(tmp_path)
    scores = [
        by_heart.trial(model, seed=1, learning_rate=rate, on_progress=ignore).metrics
        for rate in (3e-3, 1e-9)
    ]
    assert scores[0]["f1"] > 0.9
    assert scores[1]["f1"] < 0.5
    if version == 2:
        assert scores[0]["NoAns_f1"] > 0.9
        assert scores[0]["HasAns_f1"] > 0.9


@pytest.mark.slow
def test_squad_task_repeats_to_the_last_bit(tmp_path):
    once = task(tmp_path, 6, epochs=1)
    model = model_under_test(tmp_path)
    scores = [once.trial(model, seed=2, learning_rate=1e-3, on_progress=ignore) for _ in range(2)]
    assert scores[0] == scores[1]


def test_squad_task_describes_settings_and_data(tmp_path):
    one = task(tmp_path, 6)
    description = json.loads(json.dumps(one.describe("bert")))
    assert description["task"]["doc_stride"] == 16
    assert description["fine_tuning"]["batch_size"] == 8
    assert one.name == "squad"
    assert task(tmp_path, 7).describe("bert")["data"] != description["data"]
    # Windows have a length of their own, so that of other tasks does not make another result.
    assert task(tmp_path, 6, max_length=20).describe("bert") == task(tmp_path, 6).describe("bert")


@pytest.mark.parametrize(
    "changes", [{"max_length": 15}, {"doc_stride": -1}, {"num_best": 0}, {"max_answer_length": 0}]
)
def test_squad_task_refuses_settings_outside_their_range(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        SquadSettings(**changes)


def test_squad_task_reads_no_more_training_questions_than_set(tmp_path):
    few = task(tmp_path, 10, epochs=1, max_train_examples=4)
    measured = few.trial(model_under_test(tmp_path), seed=0, learning_rate=1e-3, on_progress=ignore)
    assert measured.notes[0].startswith("4 training questions in ")
    assert "10 dev questions" in measured.notes[0]


def test_squad_task_without_training_questions_says_so(tmp_path):
    one = task(tmp_path, 4)
    (tmp_path / "train.jsonl").unlink()
    with pytest.raises(UserError, match="no train questions"):
        one.trial(model_under_test(tmp_path), seed=0, learning_rate=1e-3, on_progress=ignore)


@pytest.mark.parametrize(
    ("architecture", "takes"), [("bert", True), ("roberta", False), ("modernbert", False)]
)
def test_squad_task_gives_token_types_to_models_that_have_them(architecture, takes, tmp_path):
    _, shape = ARCHITECTURES[architecture]
    AutoConfig.for_model(architecture, vocab_size=50, **shape).save_pretrained(tmp_path)
    model = ModelUnderTest(directory=tmp_path, tokenizer_directory=tmp_path)
    assert model.takes_token_types(AutoModelForQuestionAnswering) == takes
