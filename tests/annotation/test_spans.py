"""Functions and files of spans, against the characters of the texts themselves."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

import tidemask
from annotated_corpora import TEXTS, column_values, placed_tokens, prepared
from prose import text as prose
from tidemask.errors import UserError
from tidemask.token_classes import NO_CLASS, NO_GROUP

MODULE = """
import re

def vowels(text):
    return [(m.start(), m.end(), "LONG" if len(m[0]) > 4 else "SHORT")
            for m in re.finditer("[a-z]*(ea|ou|ai)[a-z]*", text)]

vowels.class_names = ["SHORT", "LONG"]

def twice(text):
    return [(m.start(), m.end(), 2.0) for m in re.finditer("the", text)]

def pairs(text):
    return [(m.start(), m.end()) for m in re.finditer("the [a-z]+", text)]

def nothing(text):
    return [(0, 1)]

def beyond(text):
    return [(0, len(text) + 1)]

def number(text):
    return 5

def leaves(text):
    raise SystemExit(3)

def other(text):
    return [(0, 1, "NONE")]

other.class_names = ["A"]

def half(text):
    return [(0, 1, "A")]

half.class_names = ["A", "half of a pair: \\ud83d"]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, and a module beside it."""
    root = tmp_path_factory.mktemp("made")
    (root / "span_functions.py").write_text(MODULE, encoding="utf-8")
    (root / "span_program.py").write_text("raise SystemExit(4)\n", encoding="utf-8")
    return prepared(root, tokenizer_kind="bpe")


@pytest.fixture(autouse=True)
def _within(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made.parent)
    monkeypatch.setattr(sys, "path", [*sys.path])


def annotated(made: Path, source: str, name: str, kind: Any, workers: int = 1) -> Any:
    tidemask.annotate(made, column=name, source=source, kind=kind, workers=workers, progress=False)
    return column_values(made, name)


def spans_of(pattern: str) -> list[list[tuple[int, int, str]]]:
    return [[(m.start(), m.end(), m[0]) for m in re.finditer(pattern, text)] for text in TEXTS]


def overlapped(made: Path, pattern: str) -> list[tuple[Any, int, str]]:
    """Each token with the number of the span that it overlaps, or -1, and what this is of."""
    spans = spans_of(pattern)
    tokens = []
    for token in placed_tokens(made):
        found = [
            (number, text)
            for number, (begin, end, text) in enumerate(spans[token.text])
            if begin < token.end and token.start < end
        ]
        tokens.append((token, *(found[0] if found else (-1, ""))))
    return tokens


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_python_source_gives_tokens_the_class_of_their_span(made: Path, workers: int) -> None:
    source, name = "python:span_functions:vowels", f"vowels_{workers}"
    values = annotated(made, source, name, None, workers)
    for token, number, text in overlapped(made, "[a-z]*(?:ea|ou|ai)[a-z]*"):
        expected = NO_CLASS if number < 0 else int(len(text) > 4)
        assert values[token.split][token.row][token.position] == expected, (token, text)


def test_python_source_gives_weights_and_groups(made: Path) -> None:
    values = annotated(made, "python:span_functions:twice", "twice", "weight")
    for token, number, _ in overlapped(made, "the"):
        assert values[token.split][token.row][token.position] == (2.0 if number >= 0 else 0.0)
    values, groups = annotated(made, "python:span_functions:pairs", "pairs", "group"), {}
    for token, number, _ in overlapped(made, "the [a-z]+"):
        value = values[token.split][token.row][token.position]
        assert (value == NO_GROUP) == (number < 0)
        groups.setdefault((token.split, token.row, token.document, number), set()).add(value)
    assert all(len(ids) == 1 for ids in groups.values())


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        (
            "python:span_functions",
            "group",
            r"unreadable source: .* python:MODULE:FUNCTION, such as",
        ),
        ("python:no_module:find", "group", r"cannot be loaded: .* ModuleNotFoundError: No module"),
        ("python:span_functions:find", "group", r"cannot be loaded: .* AttributeError"),
        ("python:span_functions:MODULE", "group", r"cannot be loaded|no function"),
        ("python:span_functions:pairs", None, r"no names of classes: .* class_names=None"),
        ("python:span_functions:number", "group", r"a function failed: .* TypeError: 'int' object"),
        ("python:span_functions:leaves", "group", r"a function failed: .* SystemExit: 3. Corr"),
        ("python:span_program:find", "group", r"cannot be loaded: .* SystemExit: 4. Check the"),
        (
            "python:span_functions:twice",
            "group",
            r"another shape: .*\(\d+, \d+, 2.0\). Expected \(b",
        ),
        (
            "python:span_functions:nothing",
            "weight",
            r"another shape: .*\(0, 1\). Expected .*weight",
        ),
        ("python:span_functions:other", None, r"another shape: .*NONE.* one of A for each span"),
        ("python:span_functions:half", None, r"not UTF-8: class_names of python:.*\\ud83d', ch"),
        ("python:span_functions:beyond", "group", r"span outside its document: .* characters 0 to"),
    ],
)
def test_python_source_that_is_wrong_is_refused(
    made: Path, source: str, kind: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message) as refused:
        annotated(made, source, "bad", kind)
    assert "\n" not in str(refused.value)
    assert not list((made / "columns").glob("*bad*"))
    assert not list((made / "columns").glob(".*bad*"))


def test_python_source_is_another_one_where_a_module_beside_it_changed(made: Path) -> None:
    """The helper of a helper that is imported late, too; not what nobody imports."""

    def written(**modules: str) -> str:
        for name, code in modules.items():
            (made.parent / f"{name}.py").write_text(code, encoding="utf-8")
        shutil.rmtree(made / "columns" / "helped", ignore_errors=True)
        column = tidemask.annotate(
            made, column="helped", source="python:span_user:find", kind="group", workers=1,
            progress=False,
        )  # fmt: skip
        return column.manifest.source_fingerprint

    user = "def find(text):\n    from span_words import LENGTH\n    return [(0, LENGTH)]\n"
    first = written(
        span_user=user, span_words="from span_word import WORD\nLENGTH = len(WORD)\n",
        span_word="WORD = 'a'\n",
    )  # fmt: skip
    assert written(span_other="WORD = 'b'\n") == first
    assert written(span_word="WORD = 'b'\n") != first
    assert written(span_word="WORD = 'a'\n") == first


def rows_of(made: Path) -> list[dict[str, Any]]:
    source = str(made.parent / "texts.jsonl")
    return [
        {"source": source, "place": number + 1, "begin": begin, "end": end, "value": text}
        for number, spans in enumerate(spans_of("river|stone|Marta"))
        for begin, end, text in spans
    ]


@pytest.mark.parametrize("form", ["jsonl", "parquet", "one source", "numbers"])
def test_span_file_gives_tokens_the_class_of_their_span(made: Path, form: str) -> None:
    rows = rows_of(made)
    if form == "one source":
        rows = [{k: v for k, v in row.items() if k != "source"} for row in rows]
    elif form == "numbers":
        numbers = {token.text + 1: token.document for token in placed_tokens(made)}
        rows = [{**row, "document": numbers[row["place"]]} for row in rows]
    path = (
        made.parent
        / f"spans_{form.replace(' ', '_')}.{'parquet' if form == 'parquet' else 'jsonl'}"
    )
    if form == "parquet":
        pa.parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    values = annotated(made, f"file:{path}", f"file_{form.replace(' ', '_')}", None)
    names = ["Marta", "river", "stone"]
    for token, _, text in overlapped(made, "river|stone|Marta"):
        expected = names.index(text) if text else NO_CLASS
        assert values[token.split][token.row][token.position] == expected, (token, text)


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        ([{"place": 1, "begin": 0, "end": 2}], None, r"no field value in .* Expected place, begin"),
        ([{"begin": 0, "end": 2, "value": "A"}], None, r"no field place in .*it has begin, end"),
        ([{"place": 99, "begin": 0, "end": 2}], "group", r"such document: row 1 .* place=99\."),
        ([{"source": "x", "place": 1, "begin": 0, "end": 2}], "group", r"source=x, place=1\. Exp"),
        ([{"document": 99, "begin": 0, "end": 2}], "group", r"no such document: .* document=99"),
        ([{"place": 1, "begin": 0, "end": 9999}], "group", r"span outside its document: file:"),
        ([{"place": 1, "begin": 3, "end": 3}], "group", r"span outside .* characters 3 to 3"),
        ([{"place": 1, "begin": "a", "end": 3}], "group", r'line 1: begin="a". Expected a valid'),
        ([{"place": 1, "begin": True, "end": 3}], "group", r"line 1: begin=true. Expected a vali"),
        ([{"place": 1, "begin": 0, "end": 2**70}], "group", r"line 1: end=1180591620717411303424"),
        ([{"place": 1, "begin": 0, "end": 2, "value": -1.5}], "weight", r"value=-1.5 in row 1"),
        ([{"place": 1, "begin": 0, "end": 2, "value": 1e39}], "weight", r"value=1e\+39 in row 1"),
        ([{"place": 1, "begin": 0, "end": 2, "value": "1"}], "weight", r'line 1: value="1". Exp'),
        ([{"place": 1, "begin": 0, "end": 2, "value": 1.5}], "class", r"line 1: value=1.5. Expec"),
        ([{"place": 1, "begin": 0, "end": None}, {"place": 1, "begin": 0, "end": 2}], "group",
         r"no end in row 1 of"),
        ([{"place": 1, "begin": 0, "end": 2}, None], "group", r"spans: .*, line 2: content=null"),
        ([{}], "group", r"no field place in .*; it has none"),
    ],
)  # fmt: skip
def test_span_file_that_is_wrong_is_refused(
    made: Path, rows: list[dict[str, Any]], kind: Any, message: str
) -> None:
    path = made.parent / "bad.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(UserError, match=message) as refused:
        annotated(made, f"file:{path}", "bad", kind)
    assert "\n" not in str(refused.value)
    assert not list((made / "columns").glob("*bad*"))


@pytest.mark.parametrize("passes", [1, 2])
def test_span_file_names_passages_of_a_text_by_their_numbers(tmp_path: Path, passes: int) -> None:
    """All of them are at one place; a text that is read twice is at one place twice, too."""
    (tmp_path / "one.txt").write_text(prose(8).replace("\n\n", "\n"), encoding="utf-8")
    (tmp_path / "mix.yaml").write_text(
        f"sources:\n- {{name: one, text: one.txt, passes: {passes}}}\n"
    )
    settings: dict[str, Any] = {"documents": "file", "tagger": "none", "progress": False,
                                "vocab_size": 200, "sequence_length": 32, "workers": 1}  # fmt: skip
    spans = tmp_path / "spans.jsonl"
    for held_out, num_documents in ((0.0, passes), (0.2, 1)):
        out = tmp_path / f"corpus-{held_out}"
        tidemask.prepare(tmp_path / "mix.yaml", out=out, held_out=held_out, **settings)
        spans.write_text('{"place": 1, "begin": 0, "end": 1, "value": "A"}')
        if held_out:
            with pytest.raises(UserError, match=r"names place=1, which was cut into passages"):
                annotated(out, f"file:{spans}", "tried", None)
            spans.write_text('{"document": 0, "begin": 0, "end": 1, "value": "A"}')
        values = annotated(out, f"file:{spans}", "spans", None)
        tokens = [value for rows in values.values() for row in rows for value in row]
        assert sum(value != NO_CLASS for value in tokens) == num_documents


@pytest.mark.parametrize("value", ["2001-01-01", "12:30:00", 3])
def test_span_file_takes_the_names_of_classes_as_they_are_written(made: Path, value: Any) -> None:
    path = made.parent / "named.jsonl"
    path.write_text(json.dumps({"place": 1, "begin": 0, "end": 2, "value": value}), "utf-8")
    source = f"file:{path}"
    column = tidemask.annotate(made, column="named", source=source, workers=1, progress=False)
    shutil.rmtree(column.root)
    assert column.manifest.class_names == (str(value),)


@pytest.mark.parametrize("name", [".", "/dev/zero", "piped.jsonl", "piped.parquet"])
def test_span_file_that_is_no_plain_file_is_refused(made: Path, name: str) -> None:
    if name.startswith("piped") and not Path(name).exists():
        os.mkfifo(name)
    with pytest.raises(UserError, match=r"is not a regular file|is a pipe"):
        annotated(made, f"file:{name}", "bad", "group")


def test_span_file_that_is_no_file_of_spans_is_refused(made: Path) -> None:
    for content in ("", "{not json}\n"):
        (made.parent / "bad.jsonl").write_text(content, encoding="utf-8")
        with pytest.raises(UserError, match=r"damaged spans: .*line 1.* Name JSON Lines|no spans"):
            annotated(made, f"file:{made.parent / 'bad.jsonl'}", "bad", "group")


def test_texts_that_changed_are_refused(tmp_path: Path) -> None:
    corpus = prepared(tmp_path)
    (tmp_path / "texts.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=r"source changed: .*texts.jsonl has 0 bytes"):
        tidemask.annotate(
            corpus, column="a", source="python:re:findall", kind="group", progress=False
        )
