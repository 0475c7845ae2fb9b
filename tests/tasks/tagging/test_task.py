"""Fine-tuning on tags, end to end: a rule that can be learned is learned."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from places import ROOT
from tidemask.errors import UserError
from tidemask.progress import ignore
from tidemask.runs.settings_reading import read_settings
from tidemask.tasks.data import TaskData
from tidemask.tasks.fine_tuned_task import FineTunedTask
from tidemask.tasks.fine_tuning import FineTuneSettings
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.table import USER_TASKS, user_task
from tidemask.tasks.tagging.data import TaggingTaskSettings
from tidemask.tasks.tagging.task import POS, TaggingTask

_NAMES = "marta oleg ines tomas".split()
_OTHERS = "in the river sings".split()


def _sentence(rng: random.Random) -> tuple[list[str], list[str]]:
    """Names are places after "in" and persons elsewhere; "vale" continues the name before."""
    words, tags = [], []
    while len(words) < 10:
        before, name = rng.choice(_OTHERS), rng.choice(_NAMES)
        kind = "LOC" if before == "in" else "PER"
        long = rng.random() < 0.3
        words += [before, name, *["vale"] * long]
        tags += ["O", f"B-{kind}", *[f"I-{kind}"] * long]
    return words, tags


def _write(root: Path, sizes: dict[str, int]) -> TaskData:
    rng = random.Random(7)
    for split, size in sizes.items():
        rows = [_sentence(rng) for _ in range(size)]
        lines = (json.dumps({"tokens": words, "ner_tags": tags}) for words, tags in rows)
        (root / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return TaskData(task="own", directory=root)


@pytest.fixture(scope="module")
def model_under_test(tmp_path_factory: pytest.TempPathFactory) -> ModelUnderTest:
    root = tmp_path_factory.mktemp("model_under_test")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "vale", *_NAMES, *_OTHERS]
    backend = Tokenizer(
        models.WordPiece({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]")
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=backend, **names).save_pretrained(root)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=9,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.2,
    )
    BertForMaskedLM(config).save_pretrained(root)
    return ModelUnderTest(directory=root, tokenizer_directory=root)


@pytest.mark.slow
def test_tagging_task_learns_a_rule_of_the_words_before(
    tmp_path: Path, model_under_test: ModelUnderTest
) -> None:
    """All sentences are longer than the model, so windows are learned and scored as well.

    A tagger that does not look at the word before finds at most the persons: F1 about 0.75.
    """
    task = TaggingTask(
        TaggingTaskSettings(name="own"),
        _write(tmp_path, {"train": 400, "dev": 60, "test": 60}),
        FineTuneSettings(epochs=6, batch_size=16, learning_rates=(4e-3,)),
    )
    assert isinstance(task, FineTunedTask)
    assert task.main_metric == "f1"
    stages = set()
    found = task.trial(
        model_under_test,
        seed=0,
        learning_rate=4e-3,
        on_progress=lambda stage, *_: stages.add(stage),
    )
    assert stages == {"fine-tuning", "predicting"}
    for prefix in ("", "test/"):
        assert found.metrics[f"{prefix}f1"] > 0.95
        assert found.metrics[f"{prefix}f1/LOC"] > 0.9
        assert found.metrics[f"{prefix}accuracy"] > 0.95
    assert any("dev: sentences of more than 9 tokens" in note for note in found.notes)


@pytest.mark.slow
def test_tagging_task_repeats_itself_by_seed(
    tmp_path: Path, model_under_test: ModelUnderTest
) -> None:
    data = _write(tmp_path, {"train": 8, "dev": 40})
    tags = ("O", "B-PER", "B-LOC", "I-PER", "I-LOC")
    settings = TaggingTaskSettings(name="own", kind="words", tags=tags)
    task = TaggingTask(settings, data, FineTuneSettings(epochs=1))
    first, again, other = (
        task.trial(model_under_test, seed=seed, learning_rate=1e-4, on_progress=ignore).metrics
        for seed in (3, 3, 4)
    )
    assert first == again != other
    assert set(first) <= {"accuracy", "f1_macro", "accuracy/unseen"}


def test_tagging_task_is_identified_by_settings_and_data(tmp_path: Path) -> None:
    data = _write(tmp_path, {"train": 3, "dev": 2})

    def described(**changes: object) -> str:
        settings = TaggingTaskSettings(name="own")
        fine_tuning = FineTuneSettings(**changes)  # type: ignore[arg-type]
        return json.dumps(TaggingTask(settings, data, fine_tuning).describe("bert"))

    first = described()
    assert first == described()
    assert first != described(epochs=4)
    _write(tmp_path, {"train": 3, "dev": 3})
    assert first != described()


def test_tagging_task_of_parts_of_speech_has_a_main_metric_without_data() -> None:
    task = TaggingTask(POS, TaskData(task="pos", directory=Path("absent")), FineTuneSettings())
    assert task.main_metric == "accuracy"
    with pytest.raises(ValueError, match=r"tags=\['A'\]"):
        TaggingTaskSettings(name="own", tags=("A",))


def test_tagging_task_of_ones_own_is_known_by_its_kind(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("name: own\nkind: words\ncolumn: 4\ndata: ./xx-ud\n", encoding="utf-8")
    task = user_task(read_settings(USER_TASKS, file), tmp_path)
    assert isinstance(task, TaggingTask)
    assert (task.main_metric, task.settings.column) == ("accuracy", 4)
    assert task.data.directory == tmp_path / "xx-ud"
    file.write_text("name: own\nkind: spans\ndata: ./xx-ud\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"kind=spans. Expected one of .*entities, words"):
        read_settings(USER_TASKS, file)


@pytest.mark.parametrize(
    ("names", "is_local"),
    [(("pos/own-ud-train.conllu", "pos/own-ud-dev.conllu"), True), (("pos/own-ud.yaml",), False)],
)
def test_tagging_task_finds_files_by_what_their_names_begin_with(
    names: tuple[str, ...], is_local: bool, tmp_path: Path
) -> None:
    """As `./pos/own-ud` does; a name of which there is no such file is one on the hub."""
    (tmp_path / "pos").mkdir()
    for name in names:
        (tmp_path / name).touch()
    file = tmp_path / "own.yaml"
    file.write_text("name: own\nkind: words\ndata: pos/own-ud\n", encoding="utf-8")
    found = user_task(read_settings(USER_TASKS, file), tmp_path)
    assert isinstance(found, TaggingTask)
    data = found.data
    assert data.directory == (tmp_path / "pos/own-ud" if is_local else None)
    assert data.hub == (() if is_local else ("pos/own-ud",))


def test_tagging_task_of_the_guide_parses(tmp_path: Path) -> None:
    guide = ROOT / "docs/guides/tagging.md"
    _, _, rest = guide.read_text(encoding="utf-8").partition("```yaml\n")
    file = tmp_path / "museum.yaml"
    file.write_text(rest.partition("```")[0], encoding="utf-8")
    task = user_task(read_settings(USER_TASKS, file), tmp_path)
    assert isinstance(task, TaggingTask)
    assert (task.name, task.settings.column, task.fine_tuning.epochs) == ("museum-entities", -1, 5)
