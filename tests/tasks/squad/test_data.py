"""SQuAD is read from every layout, and what is wrong is reported in one line."""

import json
import lzma
import re

import pytest

from tidemask.errors import UserError
from tidemask.tasks.data import TaskData
from tidemask.tasks.squad.data import SquadData

CONTEXT = "Marta lit the lantern. Oleg, née Ólegsson, saw it."


def row(number=0, **changes):
    answers = {"text": ["the lantern", "lantern"], "answer_start": [10, 14]}
    return {
        "id": f"q{number}",
        "title": "Light",
        "context": CONTEXT,
        "question": "What did Marta light?",
        "answers": answers,
        **changes,
    }


def answers(text, start):
    return {"text": [text], "answer_start": [start]}


NONE = {"text": [], "answer_start": []}


def write_lines(directory, rows, split="dev"):
    lines = "\n".join(json.dumps(row) for row in rows)
    (directory / f"{split}.jsonl").write_text(lines + "\n", encoding="utf-8")


def nested(rows):
    """The same rows as an official file: a paragraph per row."""
    paragraphs = []
    for row in rows:
        columns = row["answers"]
        pairs = zip(columns["text"], columns["answer_start"], strict=True)
        asked = {
            "id": row["id"],
            "question": row["question"],
            "answers": [{"text": text, "answer_start": start} for text, start in pairs],
            "is_impossible": not columns["text"],
        }
        paragraphs.append({"context": row["context"], "qas": [asked]})
    return {"version": "v2.0", "data": [{"title": "Light", "paragraphs": paragraphs}]}


def data(directory, version=1):
    return SquadData(rows=TaskData(task="squad", directory=directory), version=version)


ROWS = [row(0), row(1, question="Who?", answers=answers("Ólegsson", 33)), row(2, answers=NONE)]


def test_squad_data_is_the_same_in_every_layout(tmp_path):
    datasets = pytest.importorskip("datasets")
    folders = {name: tmp_path / name for name in ("lines", "official", "compressed", "saved")}
    for folder in folders.values():
        folder.mkdir()
    write_lines(folders["lines"], ROWS)
    (folders["official"] / "dev-v2.0.json").write_text(json.dumps(nested(ROWS)), encoding="utf-8")
    with lzma.open(folders["compressed"] / "dev.json.xz", "wt", encoding="utf-8") as file:
        json.dump(nested(ROWS), file)
    saved = datasets.DatasetDict({"validation": datasets.Dataset.from_list(ROWS)})
    saved.save_to_disk(str(folders["saved"]))

    read = {name: data(folder, 2).split("dev") for name, folder in folders.items()}
    assert read["lines"] == read["official"] == read["compressed"] == read["saved"]
    assert [question.answers for question in read["lines"]] == [
        ("the lantern", "lantern"),
        ("Ólegsson",),
        (),
    ]
    fingerprints = {data(folder, 2).fingerprint for folder in folders.values()}
    assert len(fingerprints) == len(folders)


def test_squad_data_is_read_from_a_directory_in_the_layout_of_the_hub(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    for split, rows in (("train", ROWS[:1]), ("validation", ROWS)):
        datasets.Dataset.from_list(rows).to_parquet(str(tmp_path / f"{split}.parquet"))
    rows = TaskData(task="squad_v2", hub=(str(tmp_path),))
    hub = SquadData(rows=rows, version=2)
    assert [len(hub.split(name)) for name in ("train", "dev")] == [1, 3]
    assert hub.split("dev")[1].answers == ("Ólegsson",)
    with pytest.raises(UserError, match=r"validation, row 2, question q2: .* squad_v2"):
        SquadData(rows=rows, version=1).split("dev")


def test_squad_data_takes_the_official_file_of_its_version(tmp_path):
    for name, number in (("dev-v1.1.json", 1), ("dev-v2.0.json", 2)):
        text = json.dumps(nested([row(number)]))
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert [data(tmp_path, version).split("dev")[0].id for version in (1, 2)] == ["q1", "q2"]


def test_squad_data_leaves_out_plausible_answers_of_impossible_questions(tmp_path):
    official = nested([row(0)])
    official["data"][0]["paragraphs"][0]["qas"][0]["is_impossible"] = True
    (tmp_path / "dev-v2.0.json").write_text(json.dumps(official), encoding="utf-8")
    assert data(tmp_path, 2).split("dev")[0].answers == ()


def test_squad_data_fingerprint_changes_with_the_data(tmp_path):
    write_lines(tmp_path, ROWS)
    before = data(tmp_path).fingerprint
    write_lines(tmp_path, ROWS[:2])
    assert data(tmp_path).fingerprint != before


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"answers": answers("the lantern", 11)}, "answer_start=11"),
        ({"answers": answers("the lantern", 11)}, "first occurs at 10"),
        ({"answers": answers("the candle", 10)}, "does not occur in it"),
        ({"answers": answers("saw it.", -7)}, "answer_start=-7"),
        ({"answers": answers("", 10)}, "answer not in its context"),
        ({"answers": answers("the lantern", "10")}, "answers of another form"),
        ({"answers": {"text": ["the lantern"], "answer_start": []}}, "answers of another form"),
        ({"answers": "the lantern"}, "answers of another form"),
        ({"answers": NONE}, "squad_v2"),
        ({"id": "q0"}, "question twice"),
        ({"context": 7}, "context=7"),
    ],
)
def test_squad_data_names_file_line_and_question(tmp_path, changes, problem):
    write_lines(tmp_path, [row(0), row(1, **changes)])
    with pytest.raises(UserError) as error:
        data(tmp_path).split("dev")
    message = str(error.value)
    assert problem in message
    assert f"{tmp_path / 'dev.jsonl'}, line 2" in message
    assert changes.get("id", "q1") in message
    assert "\n" not in message


@pytest.mark.parametrize("field", ["id", "context", "question", "answers"])
def test_squad_data_names_a_missing_field(tmp_path, field):
    incomplete = {name: value for name, value in row(0).items() if name != field}
    write_lines(tmp_path, [incomplete])
    with pytest.raises(UserError, match=f"line 1.* has no {field}"):
        data(tmp_path).split("dev")


@pytest.mark.parametrize(
    ("official", "problem"),
    [
        ({"version": "v2.0"}, "has no list data"),
        ({"data": [{"paragraphs": [{"context": CONTEXT}]}]}, r"data\[0\].paragraphs\[0\] has no"),
        ({"data": [{"paragraphs": ["x"]}]}, r"data\[0\].paragraphs\[0\]=.x."),
        ({"data": []}, "empty split"),
        (nested([row(0, answers=answers("lantern", 10))]), r"qas\[0\], question q0: answer_start"),
    ],
)
def test_squad_data_names_the_place_in_an_official_file(tmp_path, official, problem):
    (tmp_path / "dev-v1.1.json").write_text(json.dumps(official), encoding="utf-8")
    with pytest.raises(UserError, match=problem):
        data(tmp_path).split("dev")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dev-v1.1.json", b"{"),
        ("dev-v1.1.json", b"\xff\xfe{}"),
        ("dev-v1.1.json.xz", b"no archive"),
    ],
)
def test_squad_data_tells_of_a_damaged_official_file(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=re.escape(str(tmp_path / name))):
        data(tmp_path).split("dev")


def test_squad_data_reads_an_official_file_of_one_long_line(tmp_path):
    # The official files are one line each.
    rows = [row(number) for number in range(400)]
    text = json.dumps(nested(rows))
    assert len(text) > 1 << 16
    (tmp_path / "dev-v1.1.json").write_text(text, encoding="utf-8")
    assert [question.id for question in data(tmp_path).split("dev")] == [row["id"] for row in rows]


def test_squad_data_tells_of_a_missing_and_an_empty_split(tmp_path):
    with pytest.raises(UserError, match="no train questions"):
        data(tmp_path).split("train")
    (tmp_path / "dev.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(UserError, match="empty split"):
        data(tmp_path).split("dev")


def test_squad_data_refuses_half_a_surrogate_pair_in_every_layout(tmp_path):
    rows = [row(0, question="Who \ud83d?")]
    write_lines(tmp_path, rows)
    with pytest.raises(UserError, match=r"dev\.jsonl, line 1: half of a surrogate pair"):
        data(tmp_path).split("dev")
    (tmp_path / "dev.jsonl").unlink()
    (tmp_path / "dev.json").write_text(json.dumps(nested(rows)), encoding="utf-8")
    with pytest.raises(UserError, match=r"dev\.json: half of a surrogate pair at line 1 column \d"):
        data(tmp_path).split("dev")
