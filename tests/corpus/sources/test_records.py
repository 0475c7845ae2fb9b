"""Records of every format: the same documents from each, and one line for what is wrong."""

from __future__ import annotations

import bz2
import csv
import datetime
import gzip
import json
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import all_cases
from tidemask.corpus.sources import borders, records
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.text_sources import TextSources
from tidemask.errors import UserError

ROWS = [
    {"text": "Der Fluß.\n\nEr ist lang.", "year": "1890"},
    {"text": 'She said "no", twice.', "year": "1920"},
    {"text": "川は長い。\tEnde", "year": ""},
]


def read(*paths: Path, **settings: Any) -> list[Document]:
    return list(TextSources.find(paths, TextSettings(**settings))())


def complaint(*paths: Path, **settings: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(*paths, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write_json_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), "utf-8")


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)


def write_stream(path: Path, rows: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(rows)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def write_file(path: Path, rows: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(rows)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def write_table(delimiter: str) -> Callable[[Path, list[dict[str, Any]]], None]:
    def write(path: Path, rows: list[dict[str, Any]]) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)

    return write


WRITERS = [
    (".jsonl", write_json_lines), (".NDJSON", write_json_lines), (".json", write_json_lines),
    (".csv", write_table(",")), (".csv", write_table(";")), (".csv", write_table("\t")),
    (".tsv", write_table("\t")), (".parquet", write_parquet), (".arrow", write_stream),
    (".arrow", write_file),
]  # fmt: skip


@all_cases(("ending", "write"), WRITERS)
def test_records_are_the_same_documents_in_every_format(
    ending: str, write: Any, tmp_path: Path
) -> None:
    path = tmp_path / f"rows{ending}"
    write(path, ROWS)
    documents = read(path, keep=("year",))
    assert [document.text for document in documents] == [row["text"] for row in ROWS]
    assert [document.fields for document in documents] == [{"year": row["year"]} for row in ROWS]
    assert [(d.source, d.place) for d in documents] == [(str(path), n) for n in (1, 2, 3)]
    path.unlink()


def test_records_of_many_batches_are_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_BATCH_ROWS", 3)
    rows = [{"text": f"text {number}"} for number in range(20)]
    for name, write in (("a.parquet", write_parquet), ("b.arrow", write_stream)):
        write(tmp_path / name, rows)
        documents = read(tmp_path / name)
        assert [d.text for d in documents] == [row["text"] for row in rows]
        assert [d.place for d in documents] == list(range(1, 21))


def test_records_of_parquet_are_streamed(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = [f"{number} " * 5_000 for number in range(1_000)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=50, compression="none",
                   use_dictionary=False)  # fmt: skip
    assert path.stat().st_size > 15_000_000
    before, most = pa.total_allocated_bytes(), 0
    for _ in TextSources.find([path], TextSettings())():
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 8_000_000


ZSTANDARD = ("zst", lambda content: pa.compress(content, codec="zstd", asbytes=True))
COMPRESSIONS = [("gz", gzip.compress), ("xz", lzma.compress), ("bz2", bz2.compress), ZSTANDARD]


@all_cases(("ending", "compress"), COMPRESSIONS)
def test_records_are_decompressed(ending: str, compress: Any, tmp_path: Path) -> None:
    write_json_lines(tmp_path / "a.jsonl", ROWS)
    path = tmp_path / f"a.jsonl.{ending}"
    path.write_bytes(compress((tmp_path / "a.jsonl").read_bytes()))
    assert [document.text for document in read(path)] == [row["text"] for row in ROWS]


def test_records_blank_lines_and_lone_carriage_returns_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "one"}\r\n\r\n{"text": "two"}\r{"text": "three"}')
    assert [(d.text, d.place) for d in read(path)] == [("one", 1), ("two", 3), ("three", 4)]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1))
def test_records_any_text_comes_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.jsonl"
    write_json_lines(path, [{"text": text} for text in texts])
    assert [document.text for document in read(path)] == texts


# --- fields


def test_records_text_may_have_another_name_or_be_nested(tmp_path: Path) -> None:
    rows = [{"body": {"de": "eins", "x": 1}, "a.b": "zwei", "id": 3}]
    for name, write in (("a.jsonl", write_json_lines), ("a.parquet", write_parquet)):
        write(tmp_path / name, rows)
        (document,) = read(tmp_path / name, text_field="body.de", keep=("id", "a.b", "body.x"))
        assert document.text == "eins"
        assert document.fields == {"id": 3, "a.b": "zwei", "body.x": 1}


def test_records_wrong_field_lists_those_that_exist(tmp_path: Path) -> None:
    rows = [{"body": "eins", "meta": {"author": "x"}, "title": "y"}]
    write_json_lines(tmp_path / "a.jsonl", rows)
    assert complaint(tmp_path / "a.jsonl") == (
        f"no field text: {tmp_path / 'a.jsonl'}, line 1 has body, meta.author, title. Expected the "
        "name of a field. Name it with --text-field."
    )
    said = complaint(tmp_path / "a.jsonl", text_field="titel")
    assert said.endswith("Name it with --text-field. Did you mean title?")
    write_parquet(tmp_path / "a.parquet", rows)
    said = complaint(tmp_path / "a.parquet")
    assert said.startswith(f"no field text: {tmp_path / 'a.parquet'} has body, meta, title.")
    write_table(",")(tmp_path / "a.csv", rows)
    assert "a.csv, row 1 has body, meta, title. Expected" in complaint(tmp_path / "a.csv")


def test_records_one_without_the_text_that_others_have_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_json_lines(path, [{"text": None}, {"text": "one"}, {"id": 3, "n": {"a": 1}}])
    assert complaint(path) == (
        f"a record without text: {path}, line 3 has id, n.a. Expected text, as in the records "
        "before it. Give the record text, null where it has no text, or take it out of the file."
    )


def test_records_text_within_a_record_that_is_null_is_null(tmp_path: Path) -> None:
    rows = [{"body": None}, {"body": {"de": "eins"}}, {"body": {"de": None}}]
    for name, write in (("a.jsonl", write_json_lines), ("a.parquet", write_parquet)):
        write(tmp_path / name, rows)
        sources = TextSources.find([tmp_path / name], TextSettings(text_field="body.de"))
        assert [(d.text, d.place) for d in sources()] == [("eins", 2)]
        assert "body.de is null: 2," in sources.notes()[0]
    write_json_lines(tmp_path / "b.jsonl", [{"body": {"de": "eins"}}, {"body": {"fr": "un"}}])
    assert "b.jsonl, line 2 has body.fr." in complaint(tmp_path / "b.jsonl", text_field="body.de")


def test_records_field_to_keep_that_none_has_is_refused_and_a_rare_one_is_null(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.jsonl"
    write_json_lines(path, [{"text": "one"}, {"text": "two", "year": 1890}])
    assert [d.fields for d in read(path, keep=("year",))] == [{"year": None}, {"year": 1890}]
    assert complaint(path, keep=("yaer",)).startswith(f"no field yaer: {path} has text. Expected")
    said = complaint(path, text_field="year", keep=("text",))
    assert said.startswith(f"no field year: {path}, line 1 has text.")


def test_records_values_to_keep_are_single(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    when = datetime.datetime(2024, 5, 1, 12, 30)
    write_parquet(path, [{"text": "one", "when": when, "tags": ["a", "b"]}])
    (document,) = read(path, keep=("when",))
    assert document.fields == {"when": "2024-05-01T12:30:00"}
    said = complaint(path, keep=("tags",))
    assert f"{path}, row 1: tags=['a', 'b']. Expected text, a number" in said
    assert said.endswith("null. Write its values as one text into the records, or leave it out.")
    write_json_lines(
        tmp_path / "a.jsonl", [{"text": "one", "ward": {"name": "A", "bed": {"n": 2}}}]
    )
    assert complaint(tmp_path / "a.jsonl", keep=("ward",)).endswith(
        "Name a field within it with --keep (ward.name, ward.bed.n), or leave it out."
    )


# --- null and other types


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (pa.scalar(5_000_000, pa.date32()), r"date32\[day\]: date value out of range"),
        (pa.scalar(10**15, pa.timestamp("ms")), r"timestamp\[ms\]: "),
        (pa.scalar(1, pa.timestamp("us", "Nowhere/Land")), r"timestamp\[us, tz=Nowhere/Land\]: "),
    ],
    ids=["date", "moment", "zone"],
)
def test_records_values_that_python_has_not_are_named(
    tmp_path: Path, ending: str, value: pa.Scalar, said: str
) -> None:
    values = [pa.nulls(300, value.type), pa.array([value], value.type), pa.nulls(9, value.type)]
    table = pa.table({"text": ["words"] * 310, "when": pa.concat_arrays(values)})
    path = tmp_path / f"a{ending}"
    if ending == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    assert len(list(TextSources.find([path], TextSettings())())) == 310
    with pytest.raises(UserError, match=rf"a\{ending}, row 301: when, of type {said}") as caught:
        list(TextSources.find([path], TextSettings(keep=("when",)))())
    assert "damaged" not in str(caught.value)


def test_records_null_is_counted_and_said(tmp_path: Path) -> None:
    rows = [{"text": "one"}, {"text": None}, {"text": "three"}, {"text": None}]
    for name, write, unit in (
        ("a.jsonl", write_json_lines, "line"), ("a.parquet", write_parquet, "row"),
    ):  # fmt: skip
        write(tmp_path / name, rows)
        sources = TextSources.find([tmp_path / name], TextSettings())
        for _ in range(2):
            assert [(d.text, d.place) for d in sources()] == [("one", 1), ("three", 3)]
            assert sources.notes() == [
                "Records left out because text is null: 2, the first of them "
                f"{tmp_path / name}, {unit} 2."
            ]


@all_cases(("value", "shown"), [(17, "17"), (2.5, "2.5"), (True, "True"), (["a"], "['a']"),
                                ({"a": 1}, "{'a': 1}"), (float("nan"), "nan")])  # fmt: skip
def test_records_text_of_another_type_is_refused(value: Any, shown: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_json_lines(path, [{"text": "one"}, {"text": value}])
    within = ", such as text.a" if isinstance(value, dict) else ""
    assert complaint(path) == (
        f"text is not a string: {path}, line 2: text={shown}. Expected a string or null. Name the "
        f"field that has the text (--text-field){within}, or fix the record."
    )


def test_records_nul_within_a_text_is_refused_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, [{"text": "one"}, {"text": "tw\0o\0"}])
    assert complaint(path) == (
        f"NUL in a text: {path}, row 2, character 2. Expected text without NUL. Leave it out, or "
        "let such bytes become U+FFFD and be counted (--errors replace)."
    )
    sources = TextSources.find([path], TextSettings(errors="replace"))
    assert [document.text for document in sources()] == ["one", "tw�o�"]
    assert sources.notes()[0].endswith(f": 2 in {path}.")


def test_records_that_are_all_null_are_refused(tmp_path: Path) -> None:
    write_json_lines(tmp_path / "a.jsonl", [{"text": None}] * 2)
    assert ". Of its records 2 have null as their text. Expected" in complaint(tmp_path / "a.jsonl")


def test_records_text_of_another_type_in_parquet_is_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", [{"text": 5}])
    assert "a.parquet, row 1: text=5. Expected a string" in complaint(tmp_path / "a.parquet")


# --- damaged files


@all_cases(("content", "said"), [
    ('{"text": "one"}\n{"text": "two"', "line 2: "),
    ('{"text": "one"}\n["two"]', 'line 2: content=["two"]. '),
    ('{"text": "one", "text": "two"}', "line 1: the key text is there twice."),
    ('{"text": "\\ud800"}', "line 1: half of a surrogate pair"),
    ('[\n{"text": "one"}\n]', "line 1: Expecting value"),
    ('{\n"text": "one"\n}', "line 1: Expecting property name"),
    ("[1]", "line 1: content=[1]. Expected one JSON object per line, not an array"),
    ("3", "line 1: content=3. Expected one JSON object per line."),
])  # fmt: skip
def test_records_damaged_lines_are_named(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    message = complaint(path)
    assert message.startswith(f"damaged record: {path}, {said}")
    assert "Expected one JSON object per line" in message
    assert ("jq -c '.[]'" in message) == content.startswith("[")
    assert ("jq -c . FILE" in message) == content.startswith("{\n")
    assert message.count("Expected ") == 1


def test_records_a_line_may_be_long_but_not_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    write_json_lines(path, [{"text": "one"}, {"text": "word " * 4_000_000}])  # 20 MB
    assert [len(document.text) for document in read(path)] == [3, 20_000_000]
    assert borders.MAX_DOCUMENT_CHARACTERS > 200_000_000


@all_cases("write", [write_parquet, write_stream])
def test_records_damaged_and_truncated_binary_files_are_named(write: Any, tmp_path: Path) -> None:
    path = tmp_path / f"a{'.parquet' if write is write_parquet else '.arrow'}"
    write(path, [{"text": f"text {number} " * 50} for number in range(500)])
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"not of this kind", whole[:-6]):
        path.write_bytes(content)
        said = complaint(path)
        assert said.startswith(f"damaged file: {path}: ")
        assert said.endswith("file. Copy or download it again.")


@pytest.mark.parametrize("offsets", [[0, 5, 2, 8], [0, 3, 90, 8]])
def test_records_of_arrow_whose_offsets_are_damaged_are_named(
    offsets: list[int], tmp_path: Path
) -> None:
    """A negative length is no error of Arrow, and an offset may lead anywhere in memory."""
    buffers = [None, pa.array(offsets, pa.int32()).buffers()[1], pa.py_buffer(b"One two.")]
    texts = pa.Array.from_buffers(pa.string(), 3, buffers)
    path = tmp_path / "text.arrow"
    with pa.OSFile(str(path), "wb") as file:
        table = pa.record_batch([texts], ["text"])
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_batch(table)
    with pytest.raises(UserError, match=f"{path}") as caught:
        list(records.arrow_records(path, ["text"]))
    assert "\n" not in str(caught.value)


def test_records_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, path)
    assert complaint(path).startswith(f"columns of one name: {path} has 'text' twice.")
    (tmp_path / "a.csv").write_text("text,id,text\na,1,b\n")
    assert "the heading of " in complaint(tmp_path / "a.csv")


def test_records_that_are_empty_are_refused(tmp_path: Path) -> None:
    for name, content in (("a.jsonl", "\n"), ("a.csv", ""), ("b.csv", "text,id\n")):
        (tmp_path / name).write_text(content)
        assert complaint(tmp_path / name).startswith(f"empty text: {tmp_path / name}.")


CUT = """
import os, sys
from pathlib import Path
import pyarrow as pa
from tidemask.corpus.sources.records import arrow_records
from tidemask.errors import UserError

path = Path(sys.argv[1])
batch = pa.record_batch([pa.array(["a text of some length"] * 1000)], names=["text"])
new = pa.ipc.new_stream if sys.argv[2] == "stream" else pa.ipc.new_file
with new(str(path), batch.schema) as writer:
    for _ in range(40):
        writer.write(batch)
records = arrow_records(path, ["text"])
next(records)
os.truncate(path, path.stat().st_size // 4)
try:
    print(sum(1 for _ in records))
except UserError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["stream", "file"])
def test_arrow_that_is_cut_while_it_is_read_is_damaged_and_no_signal(tmp_path, layout):
    """Mapped into memory, it ends the process by SIGBUS."""
    path = tmp_path / "text.arrow"
    done = subprocess.run(
        [sys.executable, "-c", CUT, str(path), layout], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"damaged file: {path}: ")
    assert done.stdout.count("\n") == 1
