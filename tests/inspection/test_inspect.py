"""What an inspection says: against a reading of the text itself, as tables, a page and JSON."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prose import text
from tidemask.corpus.prepare import prepare
from tidemask.corpus.store.corpus import DOCUMENTS, PIECES, open_corpus
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.errors import UserError
from tidemask.inspection.inspect import Inspection, inspect_corpus, inspect_row
from tidemask.inspection.row_words import sampled_rows

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def two_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty documents of one file, of another four and copies of two of these."""
    root = tmp_path_factory.mktemp("inspected")
    (root / "large.txt").write_text(text(20), encoding="utf-8")
    small = text(4, seed=9)
    copies = "\n\n".join(small.split("\n\n")[:2])
    (root / "small.txt").write_text(f"{small}\n\n{copies}\n", encoding="utf-8")
    prepare(
        [root / "large.txt", root / "small.txt"],
        out=root / "corpus",
        documents="blank-lines",
        vocab_size=200,
        sequence_length=32,
        held_out=0.2,
        workers=1,
        progress=False,
    )
    return root / "corpus"


@pytest.fixture(scope="module")
def found(two_sources: Path) -> Inspection:
    return inspect_corpus(two_sources, samples=4, progress=False)


def test_inspection_counts_documents_by_source_and_reason(
    two_sources: Path, found: Inspection
) -> None:
    sources = found.tables["sources"]
    names = [Path(str(name)).name for name in sources.values("source")]
    assert (names, sources.values("documents")) == (["large.txt", "small.txt"], [20, 4])
    manifest = found.corpus.manifest
    for column, total in (("words", "num_words"), ("tokens", "num_tokens")):
        both = getattr(manifest.train, total) + getattr(manifest.held_out, total)
        assert sum(map(float, sources.values(column))) == both  # type: ignore[arg-type]
    assert sum(map(float, found.tables["dropped"].values("documents"))) == 2  # type: ignore[arg-type]
    assert found.tables["splits"].values("split") == ["train", "held_out"]


def test_inspection_gives_lengths_between_least_and_most(
    two_sources: Path, found: Inspection
) -> None:
    table = open_corpus(two_sources).documents.table().to_pylist()
    lengths = found.tables["document_lengths"]
    for split, least, median, most in zip(
        *(lengths.values(name) for name in ("split", "least", "median", "most")), strict=True
    ):
        words = [row["num_words"] for row in table if row["split"] == split]
        assert (least, median, most) == (min(words), np.median(words), max(words))


def test_inspection_shares_are_of_the_whole(found: Inspection) -> None:
    for name, column in (("classes", "words_share"), ("classes", "tokens_share"),
                         ("tokens_per_word", "share"), ("sources", "share")):  # fmt: skip
        values = [float(value or 0) for value in found.tables[name].values(column)]
        assert sum(values) == pytest.approx(100)
    entries = found.tables["entries"]
    shares = np.array(entries.values("share"), float)
    assert (np.diff(shares) <= 0).all()
    assert np.cumsum(shares) == pytest.approx(np.array(entries.values("together"), float))


@pytest.mark.slow
def test_row_pieces_are_the_text_of_the_row(two_sources: Path) -> None:
    """Every token of text once, in order; each piece at its place in the text it came from."""
    corpus = open_corpus(two_sources)
    tokenizer = load_tokenizer(corpus.tokenizer_directory)
    special = {*tokenizer.frame.ids, tokenizer.pad_id}
    for row in range(len(corpus.train)):
        pieces = inspect_row(two_sources, row)
        ids = corpus.train.rows([row]).input_ids[0].tolist()
        spelled = tokenizer.tokenizer.convert_ids_to_tokens([i for i in ids if i not in special])
        assert [one for piece in pieces for word in piece.words for one in word.pieces] == spelled
        for piece in pieces:
            assert piece.document is not None
            source = Path(piece.document.source).read_text(encoding="utf-8")
            beginning = "\n".join(source.split("\n")[piece.document.place - 1 :])
            assert piece.text is not None
            assert beginning[piece.character_offset :].startswith(piece.text)
            letters = "".join(word.text.removeprefix("##") for word in piece.words)
            assert re.sub(r"\s", "", piece.text) == re.sub(r"\s", "", letters)


@pytest.mark.slow
def test_row_pieces_join_to_the_documents(two_sources: Path) -> None:
    corpus = open_corpus(two_sources)
    texts: dict[int, str] = {}
    for split in ("train", "held_out"):
        for row in range(len(getattr(corpus, split))):
            for piece in inspect_row(two_sources, row, split=split):
                assert piece.document is not None
                number = piece.document.number
                texts[number] = texts.get(number, "") + (piece.text or "")
    whole = (two_sources.parent / "large.txt").read_text(encoding="utf-8").split("\n\n")
    assert {one.strip() for one in whole} <= set(texts.values())


def test_row_without_its_source_has_words_and_a_note(two_sources: Path) -> None:
    sources = list(two_sources.parent.glob("*.txt"))
    for change in (lambda path: path.rename(path.with_suffix(".gone")),
                   lambda path: path.with_suffix(".gone").rename(path)):  # fmt: skip
        for source in sources:
            change(source)
        notes: list[str] = []
        pieces = inspect_row(two_sources, 0, on_note=notes.append)
        is_gone = not sources[0].exists()
        assert all(piece.words and (piece.text is None) == is_gone for piece in pieces)
        assert len(notes) == (len(pieces) if is_gone else 0)


def test_row_pieces_of_a_text_that_was_cut_have_their_passage(tmp_path: Path) -> None:
    novel = text(8).replace("\n\n", "\n")
    (tmp_path / "novel.txt").write_text(novel, encoding="utf-8")
    corpus = prepare(
        tmp_path / "novel.txt", out=tmp_path / "corpus", documents="file", vocab_size=200,
        sequence_length=32, held_out=0.2, tagger="none", workers=1, progress=False,
    )  # fmt: skip
    assert corpus.manifest.train.num_documents > 1
    for row in range(0, len(corpus.train), 7):
        for piece in inspect_row(tmp_path / "corpus", row):
            assert piece.text is not None
            letters = "".join(word.text.removeprefix("##") for word in piece.words)
            assert re.sub(r"\s", "", piece.text) == re.sub(r"\s", "", letters)


def test_sampled_rows_lie_at_even_distances() -> None:
    assert sampled_rows(100, 4) == [0, 25, 50, 75]
    assert sampled_rows(2, 5) == [0, 1]
    assert sampled_rows(0, 3) == sampled_rows(3, 0) == []


def test_inspect_command_prints_tables_that_fit_and_json(
    tidemask: Command, two_sources: Path, tmp_path: Path
) -> None:
    status, out, _ = tidemask("inspect", two_sources, "--page", tmp_path / "page.html")
    assert status == 0
    assert "NOUN" in out
    assert "small.txt" in "".join(out.split())  # long paths take several lines
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page == inspect_corpus(two_sources, samples=2, progress=False).page()
    status, out, _ = tidemask("inspect", two_sources, "--json")
    assert (
        json.loads(out)["splits"][0]["documents"]
        == open_corpus(two_sources).manifest.train.num_documents
    )
    status, out, _ = tidemask("inspect", two_sources, "--text", 3)
    assert status == 0
    assert "from character" in out


def test_inspect_command_names_the_files_of_a_directory_in_a_line_each(
    tidemask: Command, tmp_path: Path
) -> None:
    directory = tmp_path / "notes of the ward for internal medicine"
    names = [f"at night/the {number}.md" for number in range(22)]
    for number, name in enumerate(names):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text(4, seed=number))
    corpus = prepare(
        directory, out=tmp_path / "corpus", tagger="none", vocab_size=64, held_out=0, workers=1,
        progress=False,
    )  # fmt: skip
    status, out, _ = tidemask("inspect", corpus.root)
    assert status == 0
    assert f"Where the text comes from, in {directory}" in " ".join(out.split())
    shown = re.findall(r"^ (the \d+\.md) +1 ", out, re.MULTILINE)
    assert 5 <= len(shown) <= len(names)
    sources = json.loads(tidemask("inspect", corpus.root, "--json")[1])["sources"]
    assert {one["source"] for one in sources} <= {"2 others", *map(str, directory.rglob("*.md"))}
    assert len(sources) == 21


def test_inspect_command_shows_tokens_without_classes_and_kept_values_as_recorded(
    tidemask: Command, tmp_path: Path
) -> None:
    found = text(6, num_sentences=2).strip().split("\n\n")
    records = [{"text": one, "ok": False} for one in found]
    records[0] |= {"ok": True, "of": "True story"}
    (tmp_path / "text.jsonl").write_text("\n".join(map(json.dumps, records)))
    corpus = prepare(
        tmp_path / "text.jsonl", out=tmp_path / "corpus", keep=["ok", "of"], tagger="none",
        vocab_size=64, sequence_length=128, held_out=0, workers=1, progress=False,
    )  # fmt: skip
    status, out, _ = tidemask("inspect", corpus.root, "--text", 0)
    assert status == 0
    assert "place 1, ok=true, of=True story: document 0" in " ".join(out.split())
    assert "place 2, ok=false: document 1" in " ".join(out.split())
    assert f"\n\n{tmp_path / 'text.jsonl'}, place 2" in out  # documents stand apart
    assert f"\n\n{found[0][:20]}" in out
    words = [word for piece in inspect_row(corpus.root, 0) for word in piece.words]
    cut = next(word for word in words if len(word.pieces) > 2)
    dotted = "·".join(piece.removeprefix("##") for piece in cut.pieces)
    assert f" {dotted} " in " ".join(out.split())
    for shown in (tidemask("inspect", corpus.root)[1], inspect_corpus(corpus.root).page()):
        assert dotted in shown


def test_inspection_page_is_strict_html(found: Inspection) -> None:
    html5lib = pytest.importorskip("html5lib")
    page = found.page()
    html5lib.HTMLParser(strict=True).parse(page)
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert "<script" not in page


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--text", 10_000), "no such row in the train split: row=10000"),
        (("--text", 0, "--split", "dev"), "--split"),
        (("--page", "missing/page.html"), "page not written"),
        (("--text", 0, "--page", "page.html"), "a page of one row"),
    ],
)
def test_inspect_command_refuses_in_one_line(
    tidemask: Command, two_sources: Path, arguments: tuple[object, ...], part: str
) -> None:
    status, _, err = tidemask("inspect", two_sources, *arguments)
    assert status == 2
    assert part in err.splitlines()[-1]


def test_inspection_names_the_sources_of_a_list(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 2), ("more", 3)):
        (tmp_path / f"{name}.txt").write_text(text(3, seed=seed), encoding="utf-8")
    (tmp_path / "mix.yaml").write_text(
        "sources:\n- {name: novels, text: [one.txt, two.txt]}\n- {name: letters, text: more.txt}\n"
    )
    prepare(
        tmp_path / "mix.yaml", out=tmp_path / "corpus", documents="blank-lines", vocab_size=200,
        tagger="none", held_out=0, workers=1, progress=False,
    )  # fmt: skip
    sources = inspect_corpus(tmp_path / "corpus", progress=False).tables["sources"]
    pairs = zip(sources.values("source"), sources.values("documents"), strict=True)
    assert dict(pairs) == {"novels": 6, "letters": 3}


def test_inspection_of_an_earlier_corpus_leaves_out_what_it_does_not_know(
    two_sources: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "corpus"
    shutil.copytree(two_sources, copy)
    for name in (DOCUMENTS, PIECES):
        shutil.rmtree(copy / name)
    found = inspect_corpus(copy, samples=1, progress=False)
    assert "sources" not in found.tables
    (piece,) = inspect_row(copy, 0)
    assert piece.document is None
    assert len(piece.words) == open_corpus(copy).train.rows([0]).word_start.sum()
    assert found.page()


@pytest.mark.parametrize("samples", [-1, 2.5, True, "two", None])
def test_inspection_refuses_samples_that_are_no_number(two_sources: Path, samples: object) -> None:
    with pytest.raises(ValueError, match=f"samples={samples!r}"):
        inspect_corpus(two_sources, samples=samples, progress=False)  # type: ignore[arg-type]


def test_inspection_of_changed_rows_or_pieces_is_refused(two_sources: Path, tmp_path: Path) -> None:
    """Rows that were written over; pieces of a longer row, whose table is sound in itself."""
    copy = tmp_path / "corpus"
    shutil.copytree(two_sources, copy)
    (pieces,) = (copy / PIECES / "train").iterdir()
    table = pa.ipc.open_stream(pieces.read_bytes()).read_all()
    table = table.set_column(1, "position", pa.array([40] * len(table), pa.uint32()))
    with pa.OSFile(str(pieces), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    with pytest.raises(UserError, match=r"incomplete corpus: .* is damaged"):
        inspect_row(copy, 0)
    (rows,) = (copy / "train").glob("rows-*")
    content = bytearray(rows.read_bytes())
    content[len(content) // 2] ^= 1
    rows.write_bytes(content)
    with pytest.raises(UserError, match="corpus changed: the rows"):
        inspect_corpus(copy, progress=False)
