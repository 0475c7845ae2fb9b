"""Each text that a user names may be compressed in the same ways, whatever reads it."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tidemask.annotation.listed_phrases import read_phrases
from tidemask.annotation.span_table import read_spans
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.text_sources import TextSources
from tidemask.corpus.tokenizing.wanted_entries import wanted_entries
from tidemask.errors import UserError
from tidemask.masking.weighting import ByEntries
from tidemask.progress import ignore
from tidemask.reading import ANY_LENGTH, compression, read_text
from tidemask.runs.entry_weights import listed_weights
from tidemask.tasks.data import TaskData
from tidemask.tasks.squad.data import SquadData
from tidemask.tasks.tagging.data import TaggingTaskSettings, load_tagging_data
from tidemask.tasks.zero_shot.pair_files import pair_files, read_pairs
from tidemask.tasks.zero_shot.pll import read_texts

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".xz": lzma.compress,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
}

QUESTION = '{"id": "q", "context": "A cat.", "question": "Who?", "answers": {"text": ["cat"], '
NESTED = (
    '{"data": [{"paragraphs": [{"context": "A cat.", "qas": [{"id": "q", "question": "Who?",'
    ' "answers": [{"text": "cat", "answer_start": 2}]}]}]}]}'
)


def of_task(path: Path) -> Any:
    examples = TaskData(task="mine", directory=path.parent, hub=()).split("train")
    return [example.fields for example in examples or ()]


def of_questions(path: Path) -> Any:
    rows = TaskData(task="squad", directory=path.parent, hub=())
    return SquadData(rows=rows, version=1).split("train")


def of_tags(path: Path) -> Any:
    (path.parent / "dev.conll").write_text("A\tX\n")
    data = TaskData(task="tags", directory=path.parent, hub=())
    return load_tagging_data(data, TaggingTaskSettings(name="tags", kind="words")).fingerprint()


def of_weights(path: Path) -> Any:
    weights = listed_weights(ByEntries(weights=str(path)), {"cat": 0, "dog": 1}, 2)
    return weights.table.tolist(), weights.fingerprint


READERS: dict[str, tuple[str, str, Callable[[Path], Any]]] = {
    "prepare": (
        "a.txt", "One text.\n\nAnother.\n",
        lambda path: [document.text for document in TextSources.find([path], TextSettings())()],
    ),
    "score --file": ("a.txt", "One text.\nAnother.\n", read_texts),
    "list:": (
        "a.txt", "cat\tANIMAL\nriver bank\tPLACE\n",
        lambda path: read_phrases(path, "class", label="", on_note=ignore),
    ),
    "file:": (
        "a.jsonl", '{"place": 1, "begin": 0, "end": 3, "value": "X"}\n',
        lambda path: read_spans(path, "class"),
    ),
    "extend_vocabulary": ("a.txt", "cat\ndog\n", lambda path: wanted_entries(str(path))),
    "weights of entries": ("a.tsv", "cat\t2\ndog\t0.5\n", of_weights),
    "weights of entries in JSON": ("a.json", '{"cat": 2, "dog": 0.5}', of_weights),
    "minimal pairs": (
        "a.jsonl", '{"good": "He runs.", "bad": "He run."}\n',
        lambda path: [(pair.good, pair.bad) for pair in read_pairs(pair_files(path))],
    ),
    "table of minimal pairs": (
        "a.tsv", "He runs.\tHe run.\n",
        lambda path: [(p.good, p.bad, p.paradigm) for p in read_pairs(pair_files(path.parent))],
    ),
    "task": ("train.jsonl", '{"sentence": "Good.", "label": 1}\n', of_task),
    "questions": ("train.jsonl", f'{QUESTION}"answer_start": [2]}}}}\n', of_questions),
    "official questions": ("train-v1.1.json", NESTED, of_questions),
    "sentences with tags": ("train.conll", "A\tX\ncat\tY\n", of_tags),
}  # fmt: skip
"""A name, content, and a reader, by what a user calls it."""


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize(("name", "content", "read"), READERS.values(), ids=READERS)
def test_texts_may_be_compressed_whatever_reads_them(
    tmp_path: Path, name: str, content: str, read: Callable[[Path], Any], ending: str
) -> None:
    found = {}
    for directory, of_name, of_content in [
        ("plain", name, content.encode()),
        ("compressed", f"{name}{ending}", COMPRESS[ending](content.encode())),
    ]:
        path = tmp_path / directory / of_name
        path.parent.mkdir()
        path.write_bytes(of_content)
        found[directory] = read(path)
    assert found["plain"]
    assert found["compressed"] == found["plain"]


@pytest.mark.parametrize("ending", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("read", ["prepare", "score --file", "list:", "extend_vocabulary"])
def test_compressed_text_without_an_ending_is_called_by_its_name(
    tmp_path: Path, ending: str, read: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(COMPRESS[ending](b"One text."))
    with pytest.raises(UserError) as refused:
        READERS[read][2](path)
    assert str(refused.value) == (
        f"compressed file: the text of {path} begins as that of a file ending in {ending} does. "
        "Expected text, plain or in a file that ends in one of .xz, .gz, .bz2, .zst. Rename it, or "
        "decompress it."
    )


def test_compressed_text_in_another_way_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"PK\x03\x04and so on")
    with pytest.raises(UserError, match=r"ending in \.zip does\. Expected .*\. Decompress it\.$"):
        READERS["minimal pairs"][2](path)


@pytest.mark.parametrize("kind", ["class", "group"])
def test_compressed_parquet_is_refused(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "spans.PARQUET.gz"
    path.write_bytes(gzip.compress(b"PAR1"))
    with pytest.raises(UserError, match=r"spans\.PARQUET\.gz is compressed Parquet\. Expected"):
        read_spans(path, kind)


@pytest.mark.parametrize("ending", COMPRESS)
def test_compressed_text_has_the_bounds_of_its_kind(tmp_path: Path, ending: str) -> None:
    """However small the file is."""
    path = tmp_path / f"a{ending}"
    path.write_bytes(COMPRESS[ending](b"\xef\xbb\xbf" + b"a" * 5000))
    assert read_text(path, ANY_LENGTH, "no text") == "a" * 5000
    assert read_text(path, 5003, "no text") == "a" * 5000
    with pytest.raises(UserError, match=r"no text: .* has more than 5,002 bytes\."):
        read_text(path, 5002, "no text")


@pytest.mark.parametrize("ending", COMPRESS)
def test_compressed_text_that_is_damaged_is_said(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    with pytest.raises(UserError, match="no such file"):
        read_text(path, ANY_LENGTH, "no text")
    content = COMPRESS[ending](b"words of some length, " * 50)
    for left in (content[:-9], b""):  # a download that did not begin leaves an empty file
        path.write_bytes(left)
        with pytest.raises(UserError, match="truncated file: "):
            read_text(path, ANY_LENGTH, "no text")
    path.write_bytes(COMPRESS[ending](b"one\ntwo \xff\n"))
    with pytest.raises(UserError, match=r"no text: .*, line 2, column 5: the byte 0xFF is not"):
        read_text(path, ANY_LENGTH, "no text")


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 20])
def test_compressed_text_may_have_several_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, chunk_bytes: int
) -> None:
    """As those that `cat` joins, and the dumps of Wikipedia, have."""
    monkeypatch.setattr(compression, "_CHUNK_BYTES", chunk_bytes)
    parts = [b"a" * 300, b"", b"words of another, " * 20, b"end"]
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"".join(map(COMPRESS[ending], parts)))
    assert b"".join(compression.chunks(path)) == b"".join(parts)


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 20])
@pytest.mark.parametrize("wrong", [b"no stream at all", b"\0" * 8 + b"no stream"])
def test_compressed_text_is_damaged_where_no_stream_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, chunk_bytes: int, wrong: bytes
) -> None:
    """The text after the damage would be left out in silence."""
    monkeypatch.setattr(compression, "_CHUNK_BYTES", chunk_bytes)
    path = tmp_path / f"a{ending}"
    first, second = COMPRESS[ending](b"one text"), COMPRESS[ending](b"another")
    path.write_bytes(first + wrong + second)
    with pytest.raises(UserError, match=r"^(damaged|truncated) file: .*a\.[a-z2]+"):
        list(compression.chunks(path))


def test_compressed_text_in_xz_may_be_padded(tmp_path: Path) -> None:
    path = tmp_path / "a.xz"
    path.write_bytes(lzma.compress(b"one, ") + b"\0" * 8 + lzma.compress(b"two") + b"\0" * 4)
    assert b"".join(compression.chunks(path)) == b"one, two"
