"""Columns as a whole: the same however they are made, gone on with, and refused where wrong."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import load_from_disk

import tidemask
from annotated_corpora import column_values, placed_tokens, prepared
from tidemask.annotation import annotate as annotate_module
from tidemask.annotation.row_values import numbered_in_rows
from tidemask.annotation.source import DocumentTokens
from tidemask.corpus.store import shards
from tidemask.corpus.store.column_check import verify_column
from tidemask.corpus.store.columns import open_column
from tidemask.corpus.store.corpus import open_corpus, verify_corpus
from tidemask.errors import UserError
from tidemask.token_classes import ColumnKind

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus with several files of rows in a split, and a list beside it."""
    root = tmp_path_factory.mktemp("small")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shards, "SHARD_TOKENS", 16 * 10)
        corpus = prepared(root)
    assert len(list((corpus / "train").glob("*.arrow"))) > 4
    (root / "list.txt").write_text("river\tWATER\nthe bridge\tPLACE\nMarta\tNAME\n", "utf-8")
    return corpus


@dataclass(frozen=True)
class Given:
    """A source whose values a test gives, by a function of a document."""

    kind: ColumnKind
    of: Callable[[DocumentTokens], Any]
    class_names: tuple[str, ...] = ()
    reads_texts: bool = False
    fingerprint: str = "given"
    max_workers: int | None = 1

    def values(self, documents: Sequence[DocumentTokens]) -> list[Any]:
        return [self.of(document) for document in documents]


def given(
    monkeypatch: pytest.MonkeyPatch, corpus: Path, source: Given, name: str = "given", **others: Any
) -> Any:
    monkeypatch.setattr(annotate_module, "load_source", lambda request: source)
    return tidemask.annotate(corpus, column=name, source="given", progress=False, **others)


def files_of(corpus: Path, name: str) -> dict[str, bytes]:
    root = corpus / "columns" / name
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_annotate_gives_tokens_to_a_source_in_the_order_of_their_document(
    monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    """The value of a token is its number in its document, which the rows must then have."""
    monkeypatch.setattr("tidemask.annotation.corpus_documents.BLOCK_TOKENS", 50)
    given(monkeypatch, small, Given("weight", lambda document: np.arange(len(document))), "numbers")
    values, numbers = column_values(small, "numbers"), {}
    for token in placed_tokens(small):
        value = values[token.split][token.row][token.position]
        assert value == numbers.get(token.document, -1) + 1 or value > numbers[token.document]
        numbers[token.document] = value


@pytest.mark.slow
def test_annotate_is_the_same_with_any_number_of_workers_and_blocks(
    monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    source = f"list:{small.parent / 'list.txt'}"
    for kind in ("class", "group"):
        for workers, name in ((1, f"{kind}_one"), (2, f"{kind}_two")):
            tidemask.annotate(
                small, column=name, source=source, kind=kind, workers=workers, progress=False
            )
        with monkeypatch.context() as patched:
            patched.setattr("tidemask.annotation.corpus_documents.BLOCK_TOKENS", 1)
            tidemask.annotate(
                small, column=f"{kind}_small", source=source, kind=kind, workers=1, progress=False
            )
        one = files_of(small, f"{kind}_one")
        del one["column.json"]
        for other in (f"{kind}_two", f"{kind}_small"):
            found = files_of(small, other)
            del found["column.json"]
            assert found == one
        fingerprints = {
            open_column(open_corpus(small), f"{kind}_{each}").manifest.fingerprint
            for each in ("one", "two", "small")
        }
        assert len(fingerprints) == 1


@pytest.mark.parametrize("after", [1, 3, 7])
def test_annotate_goes_on_with_what_was_finished(
    monkeypatch: pytest.MonkeyPatch, small: Path, after: int
) -> None:
    """Ended after some documents: the next goes on, and the column is the same to a byte."""
    monkeypatch.setattr("tidemask.annotation.corpus_documents.BLOCK_TOKENS", 1)
    seen: list[int] = []

    def values(document: DocumentTokens) -> Any:
        seen.append(document.number)
        if len(seen) == after and ends:
            raise KeyboardInterrupt
        return np.where(document.ids % 3 == 0, document.ids.astype(np.int64) // 3, -1)

    ends, name = True, f"ended_{after}"
    with pytest.raises(KeyboardInterrupt):
        given(monkeypatch, small, Given("group", values), name)
    assert not (small / "columns" / name).exists()
    ends = False
    seen.clear()
    given(monkeypatch, small, Given("group", values), name)
    num_documents = len(open_corpus(small).documents)
    assert (len(seen) < num_documents) == (after > 1)
    whole = f"whole_{after}"
    given(monkeypatch, small, Given("group", values), whole)
    ended, unbroken = files_of(small, name), files_of(small, whole)
    assert ended.keys() == unbroken.keys()
    for path in ended.keys() - {"column.json"}:
        assert ended[path] == unbroken[path], path
    of_ended, of_whole = (json.loads(each["column.json"]) for each in (ended, unbroken))
    assert {**of_ended, "name": whole} == of_whole
    assert not list((small / "columns").glob(f".*{name}*"))


def test_annotate_that_goes_on_gives_the_source_the_same_documents_together(
    monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    """What a model scores in one pass, and so the rounding, does not tell of an interruption."""
    monkeypatch.setattr("tidemask.annotation.corpus_documents.BLOCK_TOKENS", 300)
    together: list[list[int]] = []
    last = None

    class Blocks(Given):
        def values(self, documents: Sequence[DocumentTokens]) -> list[Any]:
            if len(together) == last:
                raise KeyboardInterrupt
            together.append([document.number for document in documents])
            return super().values(documents)

    source = Blocks("weight", lambda document: np.ones(len(document)))
    given(monkeypatch, small, source, "unbroken")
    unbroken = together.copy()
    assert max(map(len, unbroken)) > 1
    seen = set()
    for last in (len(unbroken) // 2, len(unbroken) - 1):
        together.clear()
        with pytest.raises(KeyboardInterrupt):
            given(monkeypatch, small, source, f"broken_{last}")
        together.clear()
        ended_at, last = last, None
        given(monkeypatch, small, source, f"broken_{ended_at}")
        assert together == unbroken[len(unbroken) - len(together) :]
        seen.add(len(together))
    assert len(seen) == 2  # it was gone on with from two places


def test_annotate_counts_groups_once_and_says_how_many_rows_cut(
    monkeypatch: pytest.MonkeyPatch, small: Path, tidemask: Command
) -> None:
    """A document is a group, in blocks of one and in one block; those of several rows are cut."""
    rows_of: dict[int, set[tuple[str, int]]] = {}
    for token in placed_tokens(small):
        rows_of.setdefault(token.document, set()).add((token.split, token.row))
    num_cut = sum(len(rows) > 1 for rows in rows_of.values())
    assert 0 < num_cut < len(rows_of) < sum(map(len, rows_of.values()))
    whole = Given("group", lambda document: np.zeros(len(document), np.int64))
    for name, tokens in (("one_block", 1 << 16), ("small_blocks", 1)):
        monkeypatch.setattr("tidemask.annotation.corpus_documents.BLOCK_TOKENS", tokens)
        manifest = given(monkeypatch, small, whole, name).manifest
        assert manifest.num_groups == len(rows_of)
        go = "goes" if num_cut == 1 else "go"
        said = f"{num_cut} of {len(rows_of)} groups {go} on from one row into the next; the part of"
        assert [note[: len(said)] for note in manifest.notes] == [said]
    status, out, err = tidemask("annotate", small, "--column", "said", "--from", "list:any")
    assert status == 0
    assert said in err
    assert f"tokens in {len(rows_of)} groups" in out


def test_annotate_keeps_nothing_of_a_source_that_is_wrong_later_on(
    monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    """Files that were finished are of no use, as the same source would be wrong again."""
    monkeypatch.setattr("tidemask.annotation.corpus_documents.BLOCK_TOKENS", 1)
    written: list[bool] = []

    def values(document: DocumentTokens) -> Any:
        written.append(any((small / "columns").glob(".later.partial/*/*.arrow")))
        return np.full(len(document), -1.0 if written[-1] else 1.0)

    with pytest.raises(UserError, match=r"wrong value: -1\.0 in the column later"):
        given(monkeypatch, small, Given("weight", values), "later")
    assert written[-1]
    assert not list((small / "columns").glob("*later*"))


def test_annotate_that_finished_no_file_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    def interrupted(document: DocumentTokens) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        given(monkeypatch, small, Given("weight", interrupted), "unfinished")
    assert not list((small / "columns").glob("*unfinished*"))


def test_annotate_reads_no_pipe_among_the_files_of_a_column(
    monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    given(monkeypatch, small, Given("weight", lambda document: np.ones(len(document))), "piped")
    path = next((small / "columns" / "piped" / "train").glob("*.arrow"))
    path.unlink()
    os.mkfifo(path)
    try:
        with pytest.raises(UserError, match=r"not a file: .*\.arrow is a pipe"):
            open_column(open_corpus(small), "piped")
    finally:
        shutil.rmtree(small / "columns" / "piped")


@pytest.mark.parametrize("part", ["train", "tokenizer"])
def test_annotate_refuses_a_corpus_that_changed(small: Path, tmp_path: Path, part: str) -> None:
    """Its rows and its tokenizer are what the values are worked out from."""
    changed = Path(shutil.copytree(small, tmp_path / "changed"))
    path = sorted((changed / part).glob("*.arrow" if part == "train" else "tokenizer.json"))[0]
    content = path.read_bytes()
    place = shards.Shard.open(path).offsets[0] + 2 if part == "train" else content.index(b"river")
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    source = f"list:{small.parent / 'list.txt'}"
    with pytest.raises(UserError, match="corpus changed"):
        tidemask.annotate(changed, column="a", source=source, workers=1, progress=False)
    assert not (changed / "columns" / "a").exists()


def test_annotate_starts_over_with_another_source(
    monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    def broken(document: DocumentTokens) -> Any:
        if document.number > 4:
            raise KeyboardInterrupt
        return np.ones(len(document))

    with pytest.raises(KeyboardInterrupt):
        given(monkeypatch, small, Given("weight", broken, fingerprint="first"), "again")
    twos = Given("weight", lambda document: np.full(len(document), 2.0), fingerprint="second")
    given(monkeypatch, small, twos, "again")
    values = column_values(small, "again")
    found = {values[t.split][t.row][t.position] for t in placed_tokens(small)}
    assert found == {2.0}


def test_annotate_leaves_the_corpus_as_it_was(
    monkeypatch: pytest.MonkeyPatch, small: Path, tidemask: Command
) -> None:
    before = open_corpus(small)
    ones = Given("weight", lambda document: np.ones(len(document)))
    given(monkeypatch, small, ones, "ones")
    after = open_corpus(small)
    assert after.manifest == before.manifest
    verify_corpus(after)
    assert len(load_from_disk(str(small))["train"]) == len(after.train)
    assert tidemask("inspect", small)[0] == 0


def test_annotate_notices_values_that_changed(monkeypatch: pytest.MonkeyPatch, small: Path) -> None:
    ones = Given("weight", lambda document: np.ones(len(document)))
    column = given(monkeypatch, small, ones, "watched")
    verify_column(column, open_corpus(small))
    path = next(iter(column.train.notes))
    content = path.read_bytes()
    one = np.float32(1).tobytes()
    path.write_bytes(content.replace(one * 4, one * 3 + np.float32(2).tobytes(), 1))
    with pytest.raises(UserError, match=r"corpus changed while it was in use"):
        column.train.of_rows([0])
    with pytest.raises(UserError, match=r"column changed: the values in .*watched"):
        verify_column(open_column(open_corpus(small), "watched"), open_corpus(small))
    path.write_bytes(content[:100])
    with pytest.raises(UserError, match=r"incomplete column: .* is damaged"):
        open_column(open_corpus(small), "watched")
    path.unlink()
    with pytest.raises(UserError, match=r"incomplete column: .* is missing"):
        open_column(open_corpus(small), "watched")
    shutil.rmtree(small / "columns" / "watched")


def test_annotate_refuses_the_column_of_another_corpus(
    monkeypatch: pytest.MonkeyPatch, small: Path, corpus: Path, tmp_path: Path
) -> None:
    given(monkeypatch, small, Given("weight", lambda document: np.ones(len(document))), "mine")
    other = tmp_path / "other"
    shutil.copytree(corpus, other)
    shutil.copytree(small / "columns" / "mine", other / "columns" / "mine")
    with pytest.raises(UserError, match=r"column of another corpus: .*mine belongs to"):
        open_column(open_corpus(other), "mine")
    with pytest.raises(UserError, match=r"no column min\. It has mine; .* Did you mean mine\?"):
        open_column(open_corpus(other), "min")
    with pytest.raises(UserError, match=r"no column /\. It has mine"):
        open_column(open_corpus(other), "/")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Given("weight", lambda d: np.where(np.arange(len(d)) == 3, np.nan, 1.0)),
         r"wrong value: nan in the column bad, row 0, position 4 of the train split. Expected a"),
        (Given("weight", lambda d: np.where(np.arange(len(d)) == 0, -0.5, 1.0)),
         r"wrong value: -0.5 in the column bad, row 0, position 1 of"),
        (Given("weight", lambda d: np.full(len(d), 1e39)), "wrong value: 1e[+]39 in the column"),
        (Given("class", lambda d: np.full(len(d), 2), ("A", "B")),
         r"wrong value: 2 in the column bad, row 0, position 1 .* a class from 0 to 1, or 255"),
        (Given("group", lambda d: np.full(len(d), -2)), "wrong value: -2 .* the id of a group, or"),
        (Given("group", lambda d: np.ones(len(d))), "gave float64 for the column bad. Expec"),
        (Given("weight", lambda d: np.ones(len(d) + 1)), "array of shape .* Expected one value"),
        (Given("weight", lambda d: np.zeros(len(d))),
         "nothing found: given gives no token of .* a weight above 0"),
    ],
)  # fmt: skip
def test_annotate_refuses_wrong_values_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, small: Path, source: Given, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        given(monkeypatch, small, source, "bad")
    assert not list((small / "columns").glob("*bad*"))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"column": "upos"}, "column=upos is the name of the classes that preparation recorded"),
        ({"column": "a/b"}, "unusable name of a column: column='a/b'. Expected letters"),
        ({"column": "vocabulary"}, "column=vocabulary, a name that policies use"),
        ({"source": "lists:x"}, r"unknown source: 'lists:x'\. Expected one of .*mean list\?"),
        ({"source": "list:nofile.txt"}, "no such file: nofile.txt"),
        ({"source": "list:"}, "empty path: source=''"),
        ({"kind": "text"}, "no such kind: kind='text'. Expected class, weight or group"),
        ({"workers": 0}, "workers=0. Expected an integer from 1"),
        ({"corpus": "nowhere"}, "no such corpus: nowhere"),
        ({"column": "word_starts"}, "column=word_starts is the name of what every corpus or batch"),
        ({"column": "token_class"}, "column=token_class is the name of what every corpus"),
        ({"column": "length"}, "column=length is the name of what every corpus"),
        ({"column": "labels"}, "column=labels is the name of what every corpus"),
    ],
)
def test_annotate_refuses_what_cannot_be(small: Path, asked: Any, message: str) -> None:
    usual = {"corpus": small, "column": "new", "source": "list:list.txt", "progress": False}
    with pytest.raises(UserError, match=message) as refused:
        tidemask.annotate(**{**usual, **asked})
    assert "\n" not in str(refused.value)
    assert not (small / "columns" / "new").exists()


def test_annotate_refuses_a_name_that_is_there(small: Path) -> None:
    source = f"list:{small.parent / 'list.txt'}"
    tidemask.annotate(small, column="twice", source=source, workers=1, progress=False)
    with pytest.raises(UserError, match=r"column exists: .*twice\. Expected a new name"):
        tidemask.annotate(small, column="twice", source=source, workers=1, progress=False)


def test_annotate_refuses_a_corpus_of_an_earlier_version(tmp_path: Path) -> None:
    from places import ROOT

    shutil.copytree(ROOT / "tests" / "earlier_version" / "corpus", tmp_path / "earlier")
    with pytest.raises(UserError, match=r"corpus without its documents: .* of an earlier version"):
        tidemask.annotate(tmp_path / "earlier", column="a", source="list:a.txt", progress=False)


def test_annotate_numbers_groups_in_each_row_as_a_loop_does() -> None:
    rows = np.random.default_rng(7).integers(-1, 9, (40, 13))
    expected = []
    for row in rows.tolist():
        numbers: dict[int, int] = {}
        expected.append([-1 if g < 0 else numbers.setdefault(g, len(numbers)) for g in row])
    assert numbered_in_rows(rows).tolist() == expected
