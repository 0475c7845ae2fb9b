"""What an inspection says of the columns of a corpus: against the annotated text itself."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tidemask.annotation.annotate import annotate
from tidemask.corpus.prepare import prepare
from tidemask.corpus.store.corpus import open_corpus
from tidemask.errors import UserError
from tidemask.inspection.columns import WeightCounts
from tidemask.inspection.inspect import inspect_corpus, inspect_row
from tidemask.inspection.row_words import RowWord, sampled_rows_of_column

Command = Callable[..., tuple[int, str, str]]

SENTENCE = "The old ferry crosses the north sound twice a day and the ferry bell rings."
PLAIN = "Nobody waits there in winter, when snow lies on the planks."


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 30 documents, the last ten of which have a ferry; a column of each kind."""
    root = tmp_path_factory.mktemp("columns")
    texts = [f"{PLAIN} {n}" for n in range(20)] + [f"{SENTENCE} {n}" for n in range(10)]
    (root / "text.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    prepare(
        root / "text.jsonl", out=root / "corpus", tagger="none", vocab_size=300,
        sequence_length=16, held_out=0.2, workers=1, progress=False,
    )  # fmt: skip
    lists = {
        "kinds": "ferry\tBOAT\nnorth sound\tPLACE\n",
        "phrases": "ferry bell\nnorth sound\n",
        "hard": "ferry\t2\ntwice\t0.5\n",
    }
    for (name, content), kind in zip(lists.items(), ("class", "group", "weight"), strict=True):
        (root / f"{name}.txt").write_text(content)
        annotate(
            root / "corpus", column=name, source=f"list:{root / name}.txt", kind=kind,  # type: ignore[arg-type]
            workers=1, progress=False,
        )  # fmt: skip
    return root / "corpus"


@pytest.mark.slow
def test_inspection_describes_columns_of_each_kind(annotated: Path) -> None:
    tables = inspect_corpus(annotated, progress=False).tables
    columns = tables["columns"]
    assert columns.values("column") == ["hard", "kinds", "phrases"]
    assert columns.values("kind") == ["weight", "class", "group"]
    tokens = dict(zip(columns.values("column"), columns.values("tokens"), strict=True))
    groups = columns.values("groups")
    assert groups[:2] == [None, None]
    assert int(groups[2] or 0) >= 20  # two phrases in ten documents
    assert columns.values("tokens_per_group")[2] == tokens["phrases"] / groups[2]  # type: ignore[operator]
    classes = tables["column_classes"]
    assert set(classes.values("class")) == {"BOAT", "PLACE"}
    assert sum(map(int, classes.values("tokens"))) == tokens["kinds"]  # type: ignore[arg-type]
    assert sum(map(float, classes.values("share"))) == pytest.approx(100)  # type: ignore[arg-type]
    weights = tables["column_weights"]
    assert [weights.values(name) for name in ("column", "least", "most")] == [["hard"], [0.5], [2]]
    in_text = sum(len(word.pieces) for word in _words(annotated))
    for name, share in zip(columns.values("column"), columns.values("share"), strict=True):
        assert share == 100 * int(tokens[name] or 0) / in_text


def _words(corpus: Path, column: str | None = None) -> list[RowWord]:
    """The words of all rows of both splits."""
    opened = open_corpus(corpus)
    return [
        word
        for split in ("train", "held_out")
        for row in range(len(getattr(opened, split)))
        for piece in inspect_row(corpus, row, split=split, column=column)
        for word in piece.words
    ]


def test_rows_that_are_shown_of_a_column_have_something_of_it(annotated: Path) -> None:
    for name in ("kinds", "phrases", "hard"):
        found = inspect_corpus(annotated, samples=1, column=name, progress=False)
        words = [word for piece in found.samples[0] for word in piece.words]
        assert any(w.class_name or w.weight or w.group is not None for w in words), name
        assert found.column is not None
        assert found.column.name == name
    nothing = inspect_corpus(annotated, samples=1, progress=False)
    assert nothing.column is None


def test_rows_of_a_column_are_the_first_of_each_stretch_that_have_values() -> None:
    class Rows:
        values = np.full((3000, 2), -1)

        def __len__(self) -> int:
            return len(self.values)

        def of_rows(self, rows: range) -> np.ndarray:
            return self.values[list(rows)]

    Rows.values[[2, 1501, 2999], 1] = 4
    assert sampled_rows_of_column(Rows(), "group", 2) == [2, 1501]  # type: ignore[arg-type]
    assert sampled_rows_of_column(Rows(), "group", 4) == [2, 750, 1501, 2999]  # type: ignore[arg-type]


def test_inspect_command_shows_classes_weights_and_groups_of_a_column(
    tidemask: Command, annotated: Path, tmp_path: Path
) -> None:
    shown = {}
    for name in ("kinds", "phrases", "hard"):
        page = tmp_path / f"{name}.html"
        status, out, _ = tidemask("inspect", annotated, "--column", name, "--page", page)
        assert status == 0
        shown[name] = " ".join(out.split()), page.read_text(encoding="utf-8")
    for text in ("What the columns say of the tokens", "Weights above 0"):
        assert all(text in page_text for _, page_text in shown.values())
    assert "ferry/BOAT" in shown["kinds"][0]
    assert ">ferry</span><sub>BOAT</sub>" in shown["kinds"][1]
    assert "[north sound]" in shown["phrases"][0]
    assert ">north sound</span>" in shown["phrases"][1]
    assert "ferry/2 " in shown["hard"][0]
    assert "twice/0.5" in shown["hard"][0]
    assert ">ferry</span><sub>2</sub>" in shown["hard"][1]


@pytest.mark.slow
def test_inspect_command_shows_a_column_and_nothing_else(
    tidemask: Command, annotated: Path
) -> None:
    status, out, _ = tidemask("inspect", annotated, "--column", "kinds", "--samples", 0)
    counts: Counter[str] = Counter()
    for word in _words(annotated, "kinds"):
        if word.class_name:
            counts[word.class_name] += len(word.pieces)
    head, caption, *rows = [line.strip() for line in out.splitlines() if line.strip()]
    assert (status, caption) == (0, "Tokens of each class of a column")
    assert head.startswith(f"Column kinds of {annotated}: class, from list:")
    assert f", {counts.total()} tokens (" in head
    assert {row.split()[0]: int(row.split()[1]) for row in rows[-2:]} == counts
    _, out, _ = tidemask("inspect", annotated, "--column", "phrases", "--samples", 0)
    assert out.count("\n") == 1
    assert re.search(
        r"Column phrases of .* \d+ tokens \(\d.* % of all\) in \d+ groups$", out.strip()
    )
    _, out, _ = tidemask("inspect", annotated, "--column", "hard", "--samples", 0)
    assert "Weights above 0" in out
    assert out.splitlines()[-2].split()[-1] == "2.000"


@pytest.mark.slow
def test_text_of_a_row_has_the_words_of_a_column(tidemask: Command, annotated: Path) -> None:
    words = _words(annotated, "kinds")
    named = {(word.text, word.class_name) for word in words if word.class_name}
    assert named == {("ferry", "BOAT"), ("north", "PLACE"), ("sound", "PLACE")}
    status, out, _ = tidemask("inspect", annotated, "--text", 0, "--column", "hard")
    assert (status, "·" in out) == (0, False)
    status, _, err = tidemask("inspect", annotated, "--column", "kind")
    assert status == 2
    assert "no such column" in err.splitlines()[-1]
    assert "Did you mean kinds?" in err.splitlines()[-1]


def test_quantiles_of_weights_are_those_of_all_values_to_one_in_a_hundred() -> None:
    rng = np.random.default_rng(3)
    weights = rng.lognormal(0, 4, 20_001).astype(np.float32)
    counts = WeightCounts()
    for part in np.array_split(weights, 7):
        counts.add(part)
        counts.add(np.zeros(9, np.float32))
    for share in (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0):
        exact = float(np.quantile(weights, share, method="inverted_cdf"))
        assert exact <= counts.quantile(share) <= 1.01 * exact


def test_a_damaged_column_is_not_described(annotated: Path, tmp_path: Path) -> None:
    copy = tmp_path / "corpus"
    shutil.copytree(annotated, copy)
    path = next((copy / "columns/kinds/train").iterdir())
    content = bytearray(path.read_bytes())
    at = content.rfind(b"\x00\xff")
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="column changed"):
        inspect_corpus(copy, progress=False)
