"""Examples of tasks from JSON Lines and from saved data sets; what is wrong with them."""

from __future__ import annotations

import gzip
import json
import lzma
import re
from pathlib import Path

import datasets
import pyarrow as pa
import pytest

from small_tasks import rows, write_rows
from tidemask.errors import UserError
from tidemask.tasks.classification.features import TextTaskSettings, label_number
from tidemask.tasks.data import TaskData
from tidemask.tasks.examples import Example, split_by_group


def _data(directory: Path) -> TaskData:
    return TaskData(task="river", directory=directory)


def test_task_data_reads_compressed_and_plain_files_alike(tmp_path: Path) -> None:
    examples = rows(5)
    plain = write_rows(tmp_path / "plain", train=examples, validation=examples[:2])
    content = (plain / "train.jsonl").read_bytes()
    compressed = tmp_path / "compressed"
    compressed.mkdir()
    (compressed / "train.jsonl.xz").write_bytes(lzma.compress(content))
    (compressed / "dev.jsonl.gz").write_bytes(gzip.compress(content + b"\n\n"))
    for data in (_data(plain), _data(compressed)):
        train = data.split("train")
        assert train is not None
        assert [dict(example.fields) for example in train] == examples
        assert data.split("test") is None
    assert [e.fields for e in _data(plain).split("dev") or []] == examples[:2]
    assert _data(compressed).split("dev")[4].place.endswith("dev.jsonl.gz, line 5")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("dataset_dict.json", '{"splits": [3]}'),
        ("train/dataset_info.json", "{}}"),
        ("train/state.json", "\xff"),
        ("train/data-00000-of-00001.arrow", "ARROW1"),
    ],
)
def test_task_data_names_the_directory_of_a_damaged_saved_data_set(
    file: str, content: str, tmp_path: Path
) -> None:
    datasets.DatasetDict(train=datasets.Dataset.from_list(rows(4))).save_to_disk(tmp_path)
    (tmp_path / file).write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match=rf"damaged data of task river: {re.escape(str(tmp_path))}"):
        _data(tmp_path).split("train")


@pytest.mark.parametrize("offsets", [[0, 5, 2, 8], [0, 3, 1 << 30, 8]])
def test_task_data_whose_offsets_are_damaged_is_named(offsets: list[int], tmp_path: Path) -> None:
    """Without a check the second ends the process: a text of a gigabyte, which is not there."""
    split = datasets.Dataset.from_dict({"sentence": ["One", "tw", "o."]})
    datasets.DatasetDict(train=split).save_to_disk(tmp_path)
    buffers = [None, pa.array(offsets, pa.int32()).buffers()[1], pa.py_buffer(b"One two.")]
    texts = pa.Array.from_buffers(pa.string(), 3, buffers)
    schema = pa.schema([("sentence", pa.string())])
    path = str(tmp_path / "train" / "data-00000-of-00001.arrow")
    with pa.OSFile(path, "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        writer.write_batch(pa.record_batch([texts], schema))
    with pytest.raises(UserError, match=rf"damaged data of task river: {re.escape(str(tmp_path))}"):
        _data(tmp_path).split("train")


def test_task_data_reads_what_datasets_saved_and_what_a_hub_holds(tmp_path: Path) -> None:
    examples = rows(6)
    saved = datasets.DatasetDict(
        train=datasets.Dataset.from_list(examples[:4]),
        validation_matched=datasets.Dataset.from_list(examples[4:5]),
        validation_mismatched=datasets.Dataset.from_list(examples[5:]),
    )
    saved.save_to_disk(str(tmp_path / "saved"))
    hub = tmp_path / "hub"
    hub.mkdir()
    for name, split in saved.items():
        split.to_parquet(str(hub / f"{name}-0.parquet"))
    files = "\n".join(f"  - split: {name}\n    path: {name}-*" for name in saved)
    (hub / "README.md").write_text(
        f"---\nconfigs:\n- config_name: river\n  data_files:\n{files}\n---\n"
    )
    local, remote = _data(tmp_path / "saved"), TaskData(task="river", hub=(str(hub), "river"))
    for data in (local, remote):
        for name, expected in (
            ("train", examples[:4]), ("dev", examples[4:5]), ("dev_mismatched", examples[5:]),
        ):  # fmt: skip
            assert [dict(example.fields) for example in data.split(name) or []] == expected
        assert data.split("test") is None
    assert local.fingerprint == remote.fingerprint


def test_task_data_numbers_are_labels_by_the_names_of_their_data_set(tmp_path: Path) -> None:
    """A task may list the labels in another order, or call all of them something else."""
    moods = datasets.ClassLabel(names=["angry", "merry"])
    features = datasets.Features(sentence=datasets.Value("string"), label=moods)
    rows = {"sentence": ["a", "b"], "label": [0, 1]}
    split = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict(train=split, validation=split).save_to_disk(tmp_path)
    examples = TaskData(task="mood", directory=tmp_path).split("train") or []

    def numbers(*labels: str) -> list[int | float]:
        settings = TextTaskSettings(name="mood", text=("sentence",), labels=labels)
        return [label_number(example, settings, labels) for example in examples]

    assert numbers("angry", "merry") == [0, 1]
    assert numbers("merry", "angry") == [1, 0]
    assert numbers("bad", "good") == [0, 1]
    with pytest.raises(UserError, match="label='merry'"):
        numbers("angry", "calm")


def test_task_data_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    one = write_rows(tmp_path / "one", train=rows(5), dev=rows(2))
    other = write_rows(tmp_path / "other", train=rows(5), dev=rows(2))
    assert _data(one).fingerprint == _data(other).fingerprint
    write_rows(other, dev=rows(2, seed=1))
    assert _data(one).fingerprint != _data(other).fingerprint


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "empty split"),
        ('{"sentence": "a"}\n[1]\n', "line 2: .* Expected one JSON object"),
        ('{"sentence": \n', "line 1: "),
    ],
)
def test_task_data_names_what_is_wrong(content: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(content)
    with pytest.raises(UserError, match=problem) as caught:
        _data(tmp_path).split("train")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "train.jsonl") in str(caught.value)


def test_task_data_names_a_missing_directory_and_a_hub_that_is_not_reached(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--tasks-from"):
        _data(tmp_path / "no").split("train")
    with pytest.raises(UserError, match=r"nobody/nothing cannot be loaded from the hub"):
        TaskData(task="river", hub=("nobody/nothing",)).split("train")


def test_task_data_lines_longer_than_a_page_stay_whole(tmp_path: Path) -> None:
    long = "word " * 40_000
    (tmp_path / "train.jsonl").write_text(json.dumps({"sentence": long}) + "\n")
    (example,) = _data(tmp_path).split("train") or []
    assert example.text("sentence") == long


def test_task_data_fields_are_checked() -> None:
    example = Example({"sentence": 3, "label": 1}, "here, line 1")
    with pytest.raises(UserError, match=r"here, line 1 has no text, only sentence, label"):
        example.value("text")
    with pytest.raises(UserError, match=r"sentence=3\. Expected a string"):
        example.text("sentence")


def test_task_data_splits_by_group() -> None:
    examples = [Example({"question": f"q{i // 3}", "label": i}, f"line {i}") for i in range(900)]
    train, dev = split_by_group(examples, "question", share=0.2)
    assert sorted(e.fields["label"] for e in [*train, *dev]) == list(range(900))
    questions = [{e.fields["question"] for e in part} for part in (train, dev)]
    assert not questions[0] & questions[1]
    # 300 groups of three at 0.2: the binomial's mean is 60, its deviation 6.9; four of them
    assert abs(len(questions[1]) - 60) < 28
    assert split_by_group(examples[::-1], "question", share=0.2)[1] == dev[::-1]
