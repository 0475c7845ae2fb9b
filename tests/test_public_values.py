"""Arguments that cannot be are refused where they are given, in one line with what was seen.

One table for every public name; the types that the other tests check are off, as at a user's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

import tidemask
from cases import all_cases
from settings_classes import FIELDS
from tidemask import (
    Batch,
    ClassLoss,
    ClassStatistic,
    Masker,
    MaskingCollator,
    MaskingSettings,
    RunCallbacks,
    RunDirectory,
    SelectedPositionsLM,
    ShuffledOrder,
    StepKey,
    StockTrainerMasking,
    TrainingSettings,
    Vocabulary,
    class_loss_sums,
    class_statistic_sums,
    load_recipe,
)
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.store.split import as_indices
from tidemask.files.paths import one_or_several
from tidemask.masking.learned_weighting import ByClassStatistic
from tidemask.masking.weighting import ByFrequency, ByFunction

pytestmark = pytest.mark.usefixtures("types_unchecked")

VOCABULARY = Vocabulary.of(50, 4, range(5))
TOKENS = MaskingSettings(unit="token")
FREQUENCY = MaskingSettings(unit="token", content=ByFrequency())
FUNCTION = MaskingSettings(unit="token", content=ByFunction())
IDS = torch.arange(5, 15).reshape(2, 5)
ROWS = [{"input_ids": [2, 10, 11, 3]}]
NAN, HUGE = math.nan, 2**32 + 7


def masker(settings: Any = TOKENS, vocabulary: Any = VOCABULARY, **given: Any) -> Masker:
    return Masker(settings, vocabulary, **{"max_steps": 10, **given})


def batch_of(**given: Any) -> Batch:
    whole = {"input_ids": IDS, "maskable": IDS > 4, "sample_ids": torch.arange(2)}
    return Batch(**{**whole, **given})


def masked(batch: Any = None, policy: MaskingSettings = TOKENS, **given: Any) -> Any:
    counts = torch.ones(50) if policy is FREQUENCY else None
    call = {"progress": 0.5, "key": StepKey(0, 5), **given}
    return masker(policy, token_counts=counts)(batch_of() if batch is None else batch, **call)


def collator(**given: Any) -> MaskingCollator:
    return MaskingCollator(TOKENS, VOCABULARY, **{"max_steps": 10, "pad_id": 0, **given})


def collated(*examples: Any, **given: Any) -> Any:
    return collator(**given)(examples)


def class_loss(**given: Any) -> ClassLoss:
    return ClassLoss(**{"class_names": ["A", "B"], "horizon_steps": 5, **given})


def class_statistic(**given: Any) -> ClassStatistic:
    content = ByClassStatistic(statistic="loss")
    whole = {"class_names": ["A", "B"], "content": content, "max_steps": 10, **given}
    return ClassStatistic(**whole)


def tiny() -> BertForMaskedLM:
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    return BertForMaskedLM(BertConfig(vocab_size=50, intermediate_size=8, **shape))


def each(
    name: str, call: Callable[[Any], Any], values: list[Any], shown: str = ""
) -> list[tuple[str, Callable[[], Any], str]]:
    """One case for each value; the message begins with the name and has the value."""
    return [
        (f"{name}={value!r:.25}", lambda value=value: call(value), shown or f"{name}=")
        for value in values
    ]


NO_COUNTS = [0, -5, NAN, True, 2.5, "7", None, [3]]
NO_IDS = [-1, 50, HUGE, NAN, True, 2.5, "7"]
CASES = {
    "Vocabulary": [
        *each("size", lambda v: Vocabulary.of(v, 4, []), [*NO_COUNTS, 10**13, 2**24]),
        *each("mask_id", lambda v: Vocabulary.of(50, v, []), [*NO_IDS, None]),
        *each("special_ids", lambda v: Vocabulary.of(50, 4, [0, v]), [*NO_IDS, None]),
        *each("special_ids", lambda v: Vocabulary.of(50, 4, v), ["[CLS]", 3, None]),
        *each("special_ids", lambda v: Vocabulary(50, 4, frozenset([v])), [50, -1, "7"]),
        ("all special", lambda: Vocabulary.of(3, 0, [1, 2]), "Expected an id that is not special"),
    ],
    "StepKey": [
        *each("seed", lambda v: StepKey(v, 0), [-1, 2**64, NAN, True, 2.5, "7", None]),
        *each("step", lambda v: StepKey(0, v), [-1, 2**32, NAN, True, 2.5, "7", None]),
    ],
    "Masker": [
        *each("policy", lambda v: masker(v), [None, "bert", 0.15]),
        ("a recipe", lambda: masker(load_recipe("bert")), "Give its `masking`"),
        *each("vocabulary", lambda v: masker(vocabulary=v), [None, 50, "bert-base-uncased"]),
        *each("max_steps", lambda v: masker(max_steps=v), NO_COUNTS),
        *each("class_names", lambda v: masker(class_names=v), ["NOUN", 5, [1, 2]], "class_names"),
        ("twice", lambda: masker(class_names=["A", "B", "A"]), "class_names: 'A' is there twice"),
        *each("token_counts", lambda v: masker(FREQUENCY, token_counts=v),
              [np.ones(50), [1] * 50], "token_counts="),
        ("counts of NaN", lambda: masker(FREQUENCY, token_counts=torch.full((50,), NAN)),
         r"token_counts[0]=nan"),
        ("counts of floats", lambda: masker(FREQUENCY, token_counts=torch.ones(50)),
         "token_counts of torch.float32. Expected integers"),
        ("more steps than keys", lambda: masker(max_steps=10**30), "from 1 to 2**32 - 1"),
        *each("weight_of", lambda v: masker(FUNCTION, weight_of=v), [5, "f"]),
        ("weights", lambda: masker(FUNCTION, weight_of=lambda b: 5)(
            batch_of(), progress=0, key=StepKey(0, 0)), "weights=5 from weight_of"),
    ],
    "Batch": [
        *each("batch", lambda v: masked(v), [IDS, {"input_ids": IDS}, "ids"]),
        *each("input_ids", lambda v: masked(batch_of(input_ids=v)),
              [IDS.tolist(), None, IDS.numpy()]),
        *each("maskable", lambda v: masked(batch_of(maskable=v)), [None, [True]]),
        *each("input_ids", lambda v: masked(batch_of(input_ids=torch.full((2, 5), v))),
              [-1, 50, HUGE, 2**31 + 7, -(2**32) + 7]),
        *each("progress", lambda v: masked(progress=v), [NAN, -0.1, 1.1, "0.5", None, True]),
        *each("key", lambda v: masked(key=v), [None, 0, (0, 5)]),
        *each("class_loss", lambda v: masker(
            MaskingSettings(content=tidemask.load_recipe("ptw").masking.content),
              class_names=["A"])(
                batch_of(word_starts=IDS > 0, token_class=torch.zeros(2, 5, dtype=torch.uint8)),
                progress=0.5, key=StepKey(0, 5), class_loss=v), [[1.0], 3.0]),
    ],
    "MaskingCollator": [
        *each("max_steps", lambda v: collator(max_steps=v), NO_COUNTS),
        *each("pad_id", lambda v: collator(pad_id=v), [*NO_IDS, None]),
        *each("seed", lambda v: collator(seed=v), [-1, 2**64, NAN, True, "7"]),
        *each("accumulation_steps", lambda v: collator(accumulation_steps=v), NO_COUNTS),
        *each("pad_to_multiple_of", lambda v: collator(pad_to_multiple_of=v), [*NO_COUNTS, 10**12]),
        *each("evaluation_ratio", lambda v: collator(evaluation_ratio=v),
              [NAN, -0.1, 15, "0.5", True]),
        *each("loss_lag_steps", lambda v: collator(loss_lag_steps=v),
              [-1, NAN, True, 2.5, "7", None]),
        *each("step", lambda v: collator().start(v), [-1, 11, NAN, True, 2.5, "7"]),
        *each("offset", lambda v: collator().start(1, v), [-2, NAN, True, 2.5, "7"]),
        *each("input_ids", lambda v: collated({"input_ids": [5, v]}), [-1, 50, HUGE, 2**31 + 7]),
        ("unsigned", lambda: collated({"input_ids": np.array([2**63 + 5], np.uint64)}),
         f"input_ids={2**63 + 5}"),
        *each("input_ids", lambda v: collated({"input_ids": [5, v]}), [2.5, "a", None, 2**70],
              "column input_ids has the type"),
        ("ragged", lambda: collated({"input_ids": [[5], [6, 7]]}), "input_ids of example 0"),
        ("no mapping", lambda: collated([5, 6, 7]), "an example is [5, 6, 7]. Expected a mapping"),
        *each("token_class", lambda v: collated({"input_ids": [5], "token_class": [v]}), [-1, 256]),
        *each("mask_token_id", lambda v: MaskingCollator.for_tokenizer(TOKENS, v, max_steps=5),
              ["bert-base-uncased", None]),
    ],
    "StockTrainerMasking": [
        *each("collator", StockTrainerMasking, [None, masker(), "collator"]),
    ],
    "ClassLoss": [
        *each("class_names", lambda v: class_loss(class_names=v), ["AB",
              ["A", "A"]], "class_names"),
        *each("horizon_steps", lambda v: class_loss(horizon_steps=v),
              [0, NAN, math.inf, "7", True]),
        *each("estimator", lambda v: class_loss(estimator=v), ["mean", None]),
    ],
    "class_loss_sums": [
        *each("num_classes", lambda v: class_loss_sums(
            torch.zeros(2), torch.tensor([1, 2]), torch.tensor([0, 0]), num_classes=v),
              [-1, NAN, True, 2.5]),
        *each("classes", lambda v: class_loss_sums(
            torch.zeros(2), torch.tensor([1, 2]), v, num_classes=3), [torch.zeros(3), None,
              [0, 0]]),
    ],
    "ClassStatistic": [
        *each("class_names", lambda v: class_statistic(class_names=v), ["AB", ["A", "A"]],
              "class_names"),
        *each("content", lambda v: class_statistic(content=v), [None, ByFunction(), "loss"]),
        *each("max_steps", lambda v: class_statistic(max_steps=v), NO_COUNTS),
    ],
    "class_statistic_sums": [
        *each("statistic", lambda v: class_statistic_sums(
            v, torch.zeros(2), torch.tensor([1, 2]), torch.tensor([0, 0]), num_classes=3),
              ["mean", None]),
        *each("num_classes", lambda v: class_statistic_sums(
            "loss", torch.zeros(2), torch.tensor([1, 2]), torch.tensor([0, 0]), num_classes=v),
              [-1, NAN, True, 2.5]),
        *each("classes", lambda v: class_statistic_sums(
            "loss", torch.zeros(2), torch.tensor([1, 2]), v, num_classes=3), [torch.zeros(3), None,
              [0, 0]]),
        *each("first_choice", lambda v: class_statistic_sums(
            "accuracy", torch.zeros(2), torch.tensor([1, 2]), torch.tensor([0, 0]), num_classes=3,
            first_choice=v), [None, torch.zeros(3), [True, False]]),
    ],
    "ShuffledOrder": [
        *each("num_rows", lambda v: ShuffledOrder(v, seed=0), NO_COUNTS),
        *each("seed", lambda v: ShuffledOrder(5, seed=v), [-1, NAN, True, "7"]),
        ("sample", lambda: ShuffledOrder(5, seed=0).rows(np.array([-3])), "sample -3"),
    ],
    "BatchDataset": [
        *each("indices", as_indices, [[1.5], ["a"], [True], [None]]),
    ],
    "SelectedPositionsLM": [
        *each("model", SelectedPositionsLM, [None, "bert-base-uncased", torch.nn.Linear(2, 2)]),
        *each("separator_id", lambda v: SelectedPositionsLM(tiny(), separator_id=v),
              [-1, 50, True, "[SEP]"]),
    ],
    "RunDirectory": [
        *each("root", RunDirectory, [None, 5]),
    ],
    "RunCallbacks": [
        *each("on_note", lambda v: RunCallbacks(on_note=v), [None, "print"]),
        *each("measures", lambda v: RunCallbacks(measures=v), [print, (5,)]),
        *each("trainer_callbacks", lambda v: RunCallbacks(trainer_callbacks=v), [5, (5,)],
              "trainer_callbacks"),
    ],
    "load_recipe": [
        *each("overrides", lambda v: load_recipe("bert", v), [5, [5], None]),
        *each("training.max_steps", lambda v: load_recipe("bert", {"training.max_steps": v}),
              [*(v for v in NO_COUNTS if v is not None), {1, 2}, HUGE]),
        *each("no such recipe", load_recipe, [None, 5, "berd"], "no such recipe: "),
    ],
}  # fmt: skip

OF_NAMES = [
    pytest.param(call, message, id=f"{name}: {value}")
    for name, cases in CASES.items()
    for value, call, message in cases
]


@pytest.mark.slow
@all_cases(("call", "message"), OF_NAMES)
def test_public_values_that_cannot_be_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        call()
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 600


def test_public_values_of_other_libraries_are_numbers() -> None:
    three, half = np.int64(3), np.float32(0.5)
    assert masker(max_steps=torch.tensor(10), class_names=("A",)).max_steps == 10
    assert StepKey(three, np.uint8(5)) == StepKey(3, 5)
    assert Vocabulary.of(np.int32(50), three, np.arange(2)) == Vocabulary.of(50, 3, [0, 1])
    settings = load_recipe("bert", {"training.max_steps": three, "model.dropout": half})
    assert (settings.training.max_steps, settings.model.dropout) == (3, 0.5)
    assert TrainingSettings(max_steps=three) == TrainingSettings(max_steps=3)
    assert masked(progress=half).labels.shape == IDS.shape


@pytest.mark.parametrize(
    "of", [lambda v: np.asarray(v)[()], np.asarray, torch.tensor], ids=["scalar", "array", "tensor"]
)
def test_public_settings_have_scalars_of_other_libraries_as_python_writes_them(of: Any) -> None:
    given = {"max_steps": of(3), "weight_decay": of(0.5), "gradient_checkpointing": of(True)}
    written = {f"training.{name}": value for name, value in given.items()}
    for made in (TrainingSettings(**given), load_recipe("bert", written).training):
        values = [getattr(made, name) for name in given]
        assert [repr(value) for value in values] == ["3", "0.5", "True"]
    prepared = PrepareSettings(vocab_size=of(64), sequence_length=of(16), held_out=of(0.5))
    assert repr((prepared.vocab_size, prepared.sequence_length, prepared.held_out)) == (
        "(64, 16, 0.5)"
    )
    assert repr(one_or_several([of(3)], "steps", (int, str), "steps")) == "[3]"
    assert repr(class_loss(horizon_steps=of(5)).horizon_steps) == "5.0"
    collator(evaluation_ratio=of(0.5))
    wrong = {"max_steps": of(True), "weight_decay": of(True), "gradient_checkpointing": of(1)}
    for name, value in wrong.items():
        with pytest.raises(ValueError, match=f"^{name}="):
            TrainingSettings(**{name: value})


ELSEWHERE = {
    "MaskedLMTrainer": "tests/training/test_trainer.py",
    "TokenColumn": "tests/masking/test_columns.py",
    "annotate": "tests/annotation/test_annotate.py",
    "compare": "tests/test_public_arguments.py",
    "evaluate": "tests/test_public_arguments.py",
    "inspect_corpus": "tests/inspection/test_inspect.py",
    "open_corpus": "tests/test_public_arguments.py",
    "prepare": "tests/test_public_arguments.py",
    "prepare_again": "tests/corpus/test_again.py",
    "pretrain": "tests/test_public_arguments.py",
    "preview": "tests/test_public_arguments.py",
    "push": "tests/runs/test_push.py",
    "resume": "tests/test_public_arguments.py",
    "run_study": "tests/studies/test_study.py",
    "study_status": "tests/studies/test_study.py",
    "tune": "tests/tuning/test_tune.py",
    "word_starts_of": "tests/corpus/tokenizing/test_word_starts.py",
}
"""Names whose arguments are files, runs and models; and where their tests are."""


def test_public_names_are_all_in_a_table_or_take_no_values() -> None:
    results = {
        "Comparison",
        "Inspection",
        "JobResult",
        "MaskedBatch",
        "PreparedCorpus",
        "PretrainedRun",
    }
    without = {"Interrupted", "ProgressDisplay", "StopRequest", "UserError"}
    settings = {kind.__name__ for kind, _ in FIELDS}
    named = {*CASES, *ELSEWHERE, *settings, *results, *without}
    assert set(tidemask.__all__) <= named
