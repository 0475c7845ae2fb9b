"""Phrases of a list, against a search by regular expressions in the texts themselves."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import tidemask
from annotated_corpora import TEXTS, column_values, placed_tokens, prepared
from tidemask.annotation.annotate import annotate
from tidemask.annotation.listed_phrases import read_phrases
from tidemask.annotation.row_values import RowValues
from tidemask.corpus.store import shards
from tidemask.errors import UserError
from tidemask.progress.display import ProgressDisplay
from tidemask.token_classes import NO_CLASS, NO_GROUP

Command = Callable[..., tuple[int, str, str]]

LISTED = {
    "behind a green winter": "PLACE",
    "river": "WATER",
    "the old dog": "ANIMAL",
    "fox": "ANIMAL",
    "Marta": "NAME",
    "Mr. Old": "NAME",
    "state-of-the-art": "OTHER",
    "naïve": "OTHER",
    "of them.": "OTHER",
    "the bridge": "PLACE",
}
NAMES = sorted(set(LISTED.values()))


@pytest.fixture(scope="module", params=["wordpiece", "bpe", "unigram"])
def listed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus by the kind of its tokenizer, with a list beside it."""
    root = tmp_path_factory.mktemp("listed")
    # only so large that all letters of the texts have entries
    corpus = prepared(root, tokenizer_kind=request.param, vocab_size=420)
    lines = "".join(f"{phrase}\t{label}\n" for phrase, label in LISTED.items())
    (root / "list.txt").write_text(lines, encoding="utf-8")
    return corpus


def searched(text: str) -> list[tuple[int, int, str]]:
    """Begin, end and label of what is listed: the first of two that overlap, the longer of two that
    begin together; small letters stand for any, capitals for themselves."""
    found = []
    for phrase, label in LISTED.items():
        pattern = r"(?<!\w)" + r"\s+".join(map(re.escape, phrase.split())) + r"(?!\w)"
        flags = re.IGNORECASE if phrase == phrase.lower() else re.NOFLAG
        found += [(m.start(), m.end(), label) for m in re.finditer(pattern, text, flags)]
    chosen: list[tuple[int, int, str]] = []
    for begin, end, label in sorted(found, key=lambda each: (each[0], -each[1])):
        if not chosen or begin >= chosen[-1][1]:
            chosen.append((begin, end, label))
    return chosen


def expected_at(corpus: Path) -> list[tuple[Any, int, str]]:
    """Every token with the number of the phrase that it is in, -1 for none, and its label."""
    phrases = [searched(text) for text in TEXTS]
    tokens = []
    for token in placed_tokens(corpus):
        inside = [
            (number, label)
            for number, (begin, end, label) in enumerate(phrases[token.text])
            if begin < token.end and token.start < end
        ]
        tokens.append((token, *(inside[0] if inside else (-1, ""))))
    return tokens


def annotated(corpus: Path, kind: Any, workers: int = 1) -> dict[str, list[list[Any]]]:
    name = f"as_{kind}_{workers}"
    source = f"list:{corpus.parent / 'list.txt'}"
    tidemask.annotate(
        corpus, column=name, source=source, kind=kind, workers=workers, progress=False
    )
    return column_values(corpus, name)


def test_word_list_gives_every_token_the_class_of_its_phrase(listed: Path) -> None:
    values = annotated(listed, "class")
    for token, _, label in expected_at(listed):
        value = values[token.split][token.row][token.position]
        assert value == (NAMES.index(label) if label else NO_CLASS), (token, label)
    assert {rows[0][0] for rows in values.values()} == {NO_CLASS}  # of the first special token
    labels = {label for _, _, label in expected_at(listed) if label}
    assert labels == set(NAMES)


@pytest.mark.parametrize(
    ("listed_word", "written"),
    [
        ("groß", {"groß", "Groß", "GROSS"}),
        ("λόγος", {"λόγος", "Λόγος", "ΛΌΓΟΣ"}),
        ("Groß", {"Groß"}),
        ("fox", {"fox", "Fox"}),
    ],
)
def test_word_list_finds_small_letters_that_fold_to_others_in_any_letters(
    tmp_path: Path, listed_word: str, written: set[str]
) -> None:
    """As the sharp s and the last sigma of a word do."""
    words = ["groß", "Groß", "GROSS", "λόγος", "Λόγος", "ΛΌΓΟΣ", "fox", "Fox", "grob"]
    text, corpus, column = tmp_path / "text.txt", tmp_path / "corpus", tmp_path / "list.txt"
    text.write_text("\n\n".join([" ".join(words)] * 30), encoding="utf-8")
    tidemask.prepare(
        text, out=corpus, vocab_size=200, sequence_length=64, tagger="none", held_out=0,
        documents="blank-lines", deduplicate="none", workers=1, progress=False,
    )  # fmt: skip
    column.write_text(listed_word, encoding="utf-8")
    made = tidemask.annotate(
        corpus, column="found", source=f"list:{column}", kind="group", workers=1, progress=False
    )
    assert made.manifest.num_groups == 30 * len(written)


def test_word_list_gives_the_tokens_of_a_phrase_one_group_in_each_row(listed: Path) -> None:
    values, groups = annotated(listed, "group"), {}
    for token, number, _ in expected_at(listed):
        value = values[token.split][token.row][token.position]
        assert (value == NO_GROUP) == (number < 0), token
        if number >= 0:
            key = token.split, token.row, token.document, number
            groups.setdefault(key, set()).add(value)
    assert all(len(ids) == 1 for ids in groups.values())
    rows = [row for of_split in values.values() for row in of_split]
    for row in rows:
        ids = list(dict.fromkeys(value for value in row if value != NO_GROUP))
        assert ids == list(range(len(ids)))
    manifest = json.loads((listed / "columns" / "as_group_1" / "column.json").read_text("utf-8"))
    num_rows = Counter((document, number) for _, _, document, number in groups)
    assert manifest["num_groups"] == len(num_rows)
    num_cut = sum(number > 1 for number in num_rows.values())
    # A token of white space alone, whose place is not known here, may be all that a row has of one.
    told = sum(int(note.split()[0]) for note in manifest["notes"])
    assert num_cut <= told < len(num_rows)


def test_word_list_gives_weights(tmp_path: Path, corpus: Path, tidemask: Command) -> None:
    (tmp_path / "words.txt").write_text("the\t0.5\nriver\t3\n", encoding="utf-8")
    shutil.copytree(corpus, tmp_path / "copy")
    status, out, _ = tidemask(
        "annotate", tmp_path / "copy", "--column", "scores", "--from",
        f"list:{tmp_path / 'words.txt'}", "--kind", "weight", "--workers", 1,
    )  # fmt: skip
    assert status == 0
    assert out.startswith("Column scores, of kind weight: ")
    values = column_values(tmp_path / "copy", "scores")
    assert {value for rows in values.values() for row in rows for value in row} == {0.0, 0.5, 3.0}


def test_word_list_says_what_the_tokenizer_cannot_spell(
    listed: Path, tmp_path: Path, tidemask: Command
) -> None:
    """An unknown token is not taken for the phrase, whose letters the vocabulary does not have."""
    (tmp_path / "words.txt").write_text("fox\nЖук\n", encoding="utf-8")
    status, _, err = tidemask(
        "annotate", listed, "--column", "unknown", "--from", f"list:{tmp_path / 'words.txt'}",
        "--workers", 1,
    )  # fmt: skip
    assert status == 0
    is_byte_level = "ByteLevel" in (listed / "tokenizer" / "tokenizer.json").read_text("utf-8")
    says = re.search(r"1 of the 2 words and phrases of \S+ cannot be found: .* \(\"Жук\"\)\.", err)
    assert bool(says) == (not is_byte_level)
    values = column_values(listed, "unknown")
    for token in placed_tokens(listed):
        if values[token.split][token.row][token.position] == 0:
            assert "fox" in TEXTS[token.text][max(0, token.start - 3) : token.end + 3]


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        ("", None, "empty list: .*bad.txt has no words. Expected a word or phrase on each line"),
        ("\n \n", None, "empty list"),
        ("fox\tA\tB\n", None, r"wrong line in a list: .*bad.txt, line 1: 'fox\\tA\\tB'"),
        ("fox\n\tA\n", None, r"wrong line in a list: .*bad.txt, line 2: '\\tA'"),
        ("fox\t-1\n", "weight", r"wrong weight in a list: .*bad.txt, line 1: '-1'"),
        ("a\t1\nfox\tnan\n", "weight", r"wrong weight in a list: .*bad.txt, line 2: 'nan'"),
        ("fox\t1e39\n", "weight", r"wrong weight in a list: .*, line 1: '1e39'. Expected a number"),
        ("fox\t\n", "weight", r"wrong weight in a list: .*, line 1: 'fox\\t' has no number\. "),
        ("fox\n", "weight", r"line 1: 'fox' has no number\. Expected a number .* after a tab\.$"),
        ("fox;2\n", "weight", r"'fox;2' has no number\. .* It has a semicolon: put a tab there\."),
        ("".join(f"w{i}\tL{i}\n" for i in range(256)), None, "too many labels: .* has 256"),
        ("zzyzx\nqwx\n", None, "nothing found: list:.*bad.txt says nothing of any token"),
        ("the\t0\n", "weight", "nothing found: list:.*bad.txt gives no token of .* weight above 0"),
    ],
)
def test_word_list_that_is_wrong_is_refused(
    corpus: Path, tmp_path: Path, content: str, kind: Any, message: str
) -> None:
    (tmp_path / "bad.txt").write_text(content, encoding="utf-8")
    source = f"list:{tmp_path / 'bad.txt'}"
    with pytest.raises(UserError, match=message) as refused:
        tidemask.annotate(corpus, column="bad", source=source, kind=kind, workers=1, progress=False)
    assert "\n" not in str(refused.value)
    assert not list((corpus / "columns").glob("*bad*"))


def test_word_list_that_contradicts_itself_is_noted(
    corpus: Path, tmp_path: Path, tidemask: Command
) -> None:
    (tmp_path / "twice.txt").write_text("river\tA\nriver\tB\nriver\tA\nstone\tA\n", "utf-8")
    status, _, err = tidemask(
        "annotate", corpus, "--column", "contradicted", "--from", f"list:{tmp_path / 'twice.txt'}",
        "--workers", 1,
    )  # fmt: skip
    shutil.rmtree(corpus / "columns" / "contradicted")
    assert status == 0
    assert "again with another label or weight: 1. The first counts." in " ".join(err.split())


def noted(corpus: Path, content: str, kind: Any = None) -> list[str]:
    """The notes of an annotation on its words and phrases; its column is removed."""
    path, log = corpus.parent / "noted.txt", io.StringIO()
    path.write_text(content, encoding="utf-8")
    with ProgressDisplay(Console(file=log, width=10_000)) as display:
        annotate(
            corpus, column="noted", source=f"list:{path}", kind=kind, workers=1, progress=display
        )
    shutil.rmtree(corpus / "columns" / "noted")
    notes = log.getvalue().replace(str(path), "LIST").splitlines()
    return [note for note in notes if "from one row into the next" not in note]


@pytest.mark.parametrize("kind", ["class", "group", "weight"])
def test_word_list_names_what_it_found_nowhere(listed: Path, kind: Any) -> None:
    """What a search in the texts does not find is named, in the order of the list."""
    absent = ["old fox", "river river", "Oleg Oleg", "fox the", "art art", "dog fox", "of of"]
    phrases = ["river", *absent[:3], "the bridge", "naïve", *absent[3:], "fox"]
    for phrase in phrases:
        pattern = r"(?<!\w)" + r"\s+".join(phrase.split()) + r"(?!\w)"
        flags = re.IGNORECASE if phrase == phrase.lower() else re.NOFLAG
        is_there = any(re.search(pattern, text, flags) for text in TEXTS)
        assert is_there == (phrase not in absent), phrase
    content = "".join(f"{phrase}\t{n + 1}\n" for n, phrase in enumerate(phrases))
    named = ", ".join(map(json.dumps, absent[:5]))
    assert noted(listed, content, kind) == [
        "7 of the 11 words and phrases of LIST are found nowhere in the corpus, or only within "
        f"other phrases of the list: {named} and 2 more."
    ]
    assert noted(listed, "river\t1\nfox\t2\nnaïve\t3\n", kind) == []


def test_word_list_knows_after_an_interruption_what_it_found_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every word of the texts is found, those of rows that are not annotated again among them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shards, "SHARD_TOKENS", 16 * 4)
        corpus = prepared(tmp_path, vocab_size=420)
    words = [re.findall(r"\w+", text) for text in TEXTS]
    once = [set(of) - {w for other in words if other is not of for w in other} for of in words]
    assert sum(map(bool, once)) > 3
    path = tmp_path / "list.txt"
    path.write_text("\n".join(sorted({w for of in words for w in of})), encoding="utf-8")
    monkeypatch.setattr("tidemask.annotation.corpus_documents.BLOCK_TOKENS", 1)
    asked: dict[str, Any] = {"column": "words", "source": f"list:{path}", "workers": 1}
    add, given = RowValues.add, []

    def interrupted(self: RowValues, *block: Any) -> None:
        given.append(block)
        if len(given) > len(TEXTS) // 2:
            raise KeyboardInterrupt
        add(self, *block)

    monkeypatch.setattr(RowValues, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        annotate(corpus, **asked, progress=False)
    monkeypatch.setattr(RowValues, "add", add)
    assert any((corpus / "columns").glob(".words.partial/*/*.arrow"))
    log = io.StringIO()
    with ProgressDisplay(Console(file=log, width=10_000)) as display:
        annotate(corpus, **asked, progress=display)
    assert log.getvalue() == "Going on with the column words, which was interrupted.\n"


@pytest.mark.parametrize(
    ("content", "kind", "notes"),
    [
        ("river,WATER\nthe fox,\tANIMAL\n", None, []),
        ("fox\nriver,WATER\n", None, []),
        (
            "river,A\nthe fox, B\n",
            None,
            ["No line of LIST has a tab, and each has a comma: 'river,A' is read as one phrase."],
        ),
        ("river\\tA\n", "group", ["No line of LIST has a tab, and each has a backslash and a t: "]),
        ("river   A\nfox  A\n", None, ["No line of LIST has a tab, and each has several spaces: "]),
        (
            "fox\tA\nriver;A\nthe; B\nold fox,C\n",
            None,
            ["Lines of LIST that have a semicolon where others have a tab, such as 'river;A': 1. "],
        ),
    ],
)
def test_word_list_notes_what_stands_in_the_place_of_a_tab(
    tmp_path: Path, content: str, kind: Any, notes: list[str]
) -> None:
    path, called = tmp_path / "list.txt", list[str]()
    path.write_text(content, encoding="utf-8")
    read_phrases(path, kind or "class", label="x", on_note=called.append)
    said = [note.replace(str(path), "LIST") for note in called]
    assert len(said) == len(notes)
    assert all(note.startswith(begin) for note, begin in zip(said, notes, strict=True)), said
