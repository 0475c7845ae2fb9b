"""CoNLL-U and columns: words, their places in the text, borders, and what is broken by its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tidemask
from cases import all_cases
from tidemask.corpus.sources.columns import column_sentences
from tidemask.corpus.sources.conllu import conllu_sentences
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.sources.tagged_documents import documents_of_sentences
from tidemask.corpus.tagging.given_tags import GivenTags
from tidemask.errors import UserError


def line(number: str, form: str, tag: str = "_", misc: str = "_") -> str:
    return "\t".join([number, form, "_", tag, tag.lower(), "_", "_", "_", "_", misc])


def documents(lines: list[str], column: str | None = "upos") -> list[Document]:
    return list(documents_of_sentences(conllu_sentences(lines, "a.conllu", column), "a.conllu"))


def words_of(document: Document) -> list[tuple[str, str]]:
    words = document.words
    assert words is not None
    spans = zip(words.starts.tolist(), words.ends.tolist(), words.tags, strict=True)
    return [(document.text[a:b], tag) for a, b, tag in spans]


def test_conllu_words_stand_where_the_text_has_them() -> None:
    lines = [
        "# newdoc id = a",
        line("1", "10 000", "NUM"),
        line("2-3", "isn't", "_", "SpaceAfter=No"),
        line("2", "is", "AUX"),
        line("3", "n't", "PART"),
        line("3.1", "ghost", "X"),
        line("4", "!", "PUNCT", "Lang=en|SpaceAfter=No"),
        "",
        "# newpar",
        line("1", "New", "ADJ"),
        "",
        "# newdoc",
        line("1", "End", "NOUN"),
    ]
    first, second = documents(lines)
    assert (first.text, first.place) == ("10 000 isn't!\nNew", 2)
    assert words_of(first) == [
        ("10 000", "NUM"),
        ("is", "AUX"),
        ("n't", "PART"),
        ("!", "PUNCT"),
        ("New", "ADJ"),
    ]
    assert (second.text, second.place, words_of(second)) == ("End", 13, [("End", "NOUN")])


def test_conllu_words_that_do_not_spell_their_token_are_one() -> None:
    """The longest of them gives its tag: French `aux` is `à` and `les`."""
    lines = [line("1-2", "aux"), line("1", "à", "ADP"), line("2", "les", "DET")]
    assert words_of(documents(lines)[0]) == [("aux", "DET")]


def test_conllu_sentences_are_joined_as_their_scripts_are() -> None:
    """Without a space in Chinese, and with one where a treebank only leaves it out at the end."""
    chinese = [line("1", "好", "ADJ", "SpaceAfter=No"), line("2", "。", "PUNCT", "SpaceAfter=No")]
    english = [line("1", "Go", "VERB", "SpaceAfter=No"), line("2", ".", "PUNCT", "SpaceAfter=No")]
    assert documents([*chinese, "", *chinese])[0].text == "好。好。"
    assert documents([*english, "", *english, ""])[0].text == "Go. Go."


def test_conllu_of_another_column_and_of_none() -> None:
    lines = [line("1", "Go", "WRONG")]
    assert documents(lines, "xpos")[0].words.tags == ("wrong",)  # type: ignore[union-attr]
    assert documents(lines, None)[0].words.tags == ("_",)  # type: ignore[union-attr]


BROKEN = {
    "nine columns": ([line("1", "a"), line("2", "b")[:-2]], "line 2 has 9 of them"),
    "spaces": (["1 a _ X _ _ _ _ _ _"], "line 1 has 1 of them"),
    "empty form": ([line("1", " ")], "empty form: a.conllu, line 1"),
    "number": ([line("1", "a"), line("3", "b")], "line 2 has '3'. Expected 2"),
    "no empty line": ([line("1", "a"), line("1", "b")], "line 2 has '1'. Expected 2"),
    "no number": ([line("one", "a")], "line 1 has 'one'. Expected 1"),
    "token without its words": ([line("1-2", "ab"), line("1", "a", "X")], "'ab' has words up to"),
    "token within a token": (
        [line("1-2", "ab"), line("1", "a"), line("2-3", "bc"), line("2", "b")],
        "line 3 has '2-3'",
    ),
    "unknown tag": ([line("1", "a", "NOUNS")], "'NOUNS' of 'a': a.conllu, line 1"),
}


@all_cases("lines, message", BROKEN.values(), ids=BROKEN)
def test_conllu_what_is_broken_is_named_by_its_line(lines: list[str], message: str) -> None:
    with pytest.raises(UserError) as raised:
        documents(lines)
    assert message in str(raised.value)
    assert "a.conllu, line" in str(raised.value)
    assert "\n" not in str(raised.value)


def column_documents(lines: list[str], tag: int = -1, word: int = 0) -> list[Document]:
    return list(documents_of_sentences(column_sentences(lines, "a.tsv", word, tag), "a.tsv"))


def test_columns_words_tags_and_documents() -> None:
    lines = [
        "-DOCSTART- -X- O",
        "",
        "Delft NNP B-LOC",
        "sleeps VBZ O",
        "",
        "# SYM O",
        "",
        "-DOCSTART- -X- O",
        "",
        "# a comment of five words",
        "No\u00a01 NN O",
    ]
    first, second = column_documents(lines)
    assert (first.text, first.place) == ("Delft sleeps\n#", 3)
    assert words_of(first) == [("Delft", "B-LOC"), ("sleeps", "O"), ("#", "O")]
    assert words_of(second) == [("No\u00a01", "O")]
    assert words_of(column_documents(lines, 0, 1)[0])[0] == ("NNP", "Delft")


COLUMNS_BROKEN = {
    "other width": (["a\tX", "b\tX\tY"], "line 2 has 3 of them, and the lines before have 2"),
    "one column": (["a"], "too few columns: a.tsv, line 1 has 1"),
    "empty tag": (["a\tX", "b\t"], "empty tag: a.tsv, line 2"),
    "empty word": (["\tX"], "empty word: a.tsv, line 1"),
}


@all_cases("lines, message", COLUMNS_BROKEN.values(), ids=COLUMNS_BROKEN)
def test_columns_what_is_broken_is_named_by_its_line(lines: list[str], message: str) -> None:
    with pytest.raises(UserError) as raised:
        column_documents(lines)
    assert message in str(raised.value)
    with pytest.raises(UserError, match="column 5 is asked for"):
        column_documents(["a\tX"], 5)
    with pytest.raises(UserError, match="one column for words and tags: 0 of 2"):
        column_documents(["a\tX"], 0)


def test_given_tags_by_name() -> None:
    assert GivenTags.named("conllu:xpos") == GivenTags("conllu:xpos", "xpos")
    assert GivenTags.named("column:2:1") == GivenTags("column:2:1", None, 2, 1)
    assert GivenTags.named("column:-2") == GivenTags("column:-2", None, -2)
    for other in ("textblob", "conllu:", "conllu:lemma", "column:x", "columns", "column:1:"):
        assert GivenTags.named(other) is None


SETTINGS = {"vocab_size": 64, "held_out": 0, "deduplicate": "none", "progress": False}


def classes(corpus: tidemask.PreparedCorpus) -> dict[str, int]:
    return {name: n for name, n in corpus.manifest.train.class_counts.items() if n}


@pytest.mark.slow
def test_columns_give_classes_of_any_set_whatever_the_workers(tmp_path: Path) -> None:
    """In the order of the alphabet; `_` is none; two workers write the same bytes."""
    words = ["boat\tB-SHIP", "the\tO", "sails\t_", "", "oar\tB-TOOL", ""]
    many = "\n".join(words * 2500)
    (tmp_path / "a.tsv").write_text(f"-DOCSTART-\tO\n{many}\n-DOCSTART-\tO\n{many}\n")
    prints = []
    for workers in (1, 2):
        corpus = tidemask.prepare(
            tmp_path / "a.tsv",
            out=tmp_path / f"{workers}",
            tagger="column",
            workers=workers,
            **SETTINGS,
        )
        prints.append(corpus.manifest.fingerprint)
    assert corpus.manifest.class_names == ("B-SHIP", "B-TOOL", "O")
    assert corpus.manifest.words == "tagger"
    assert classes(corpus)["O"] == 5000
    assert prints[0] == prints[1]
    assert [source.format for source in corpus.manifest.sources] == ["columns"]


def test_given_tags_of_a_single_document_that_is_cut(tmp_path: Path) -> None:
    """Its passages have the words within them."""
    lines = []
    for sentence in range(20):
        kinds = [(n, "NOUN" if n % 2 else "VERB") for n in range(1, 26)]
        lines += [*(line(str(n), f"word{sentence}of{n}", kind) for n, kind in kinds), ""]
    (tmp_path / "a.conllu").write_text("\n".join(lines))
    settings = SETTINGS | {"held_out": 0.2}
    corpus = tidemask.prepare(
        tmp_path / "a.conllu", out=tmp_path / "out", tagger="conllu", workers=1, **settings
    )
    assert corpus.manifest.train.num_documents > 1
    for split in (corpus.train, corpus.held_out):
        rows = split.rows(range(len(split)))
        inside = rows.token_class != 255
        assert inside.sum() > 100
        assert set(np.unique(rows.token_class[inside]).tolist()) == {7, 15}  # NOUN, VERB
    counts = corpus.manifest.train, corpus.manifest.held_out
    assert sum(split.num_words for split in counts) == 500


def test_given_tags_refuse_text_without_them(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Only text.\n")
    with pytest.raises(UserError, match=r"text without words and tags: .*a.txt, and tagger=conllu"):
        tidemask.prepare(tmp_path / "a.txt", out=tmp_path / "out", tagger="conllu", **SETTINGS)
    assert not (tmp_path / "out").exists()


def test_conllu_is_text_for_any_other_tagger(tmp_path: Path) -> None:
    """Its tags play no part then, wrong ones neither."""
    (tmp_path / "a.conllu").write_text(
        "\n".join([line("1", "The", "WRONG"), line("2", "sea", "N", "SpaceAfter=No")])
    )
    corpus = tidemask.prepare(tmp_path / "a.conllu", out=tmp_path / "out", workers=1, **SETTINGS)
    assert set(classes(corpus)) == {"DET", "NOUN"}
