"""The accuracy of a tagger on gold tags: counted by hand, kept, printed; and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from places import SHARED_DATA
from tidemask.corpus.store.corpus import open_corpus
from tidemask.corpus.store.tag_accuracy import ClassAccuracy
from tidemask.corpus.tag_check import tag_accuracy
from tidemask.corpus.tagging.taggers import load_tagger
from tidemask.errors import UserError

Command = Callable[..., tuple[int, str, str]]
GOLD = [
    ("The", "DET"), ("boats", "NOUN"), ("cannot", "AUX"), ("swim", "PROPN"), ("now", "_"),
    (".", "SYM"),
]  # fmt: skip


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    rows = ["\t".join([str(n), form, "_", tag, *"______"]) for n, (form, tag) in enumerate(GOLD, 1)]
    path = tmp_path / "gold.conllu"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_tag_accuracy_by_hand(gold: Path) -> None:
    """`swim` is no name and the full stop no symbol; `now` has no gold tag."""
    found = tag_accuracy(gold, load_tagger("textblob"))
    assert (found.num_words, found.num_right, found.num_right_kind) == (5, 3, 5)
    assert found.accuracy == 0.6
    assert found.by_class == {
        "AUX": ClassAccuracy(num_words=1, num_right=1),
        "DET": ClassAccuracy(num_words=1, num_right=1),
        "NOUN": ClassAccuracy(num_words=1, num_right=1),
        "PROPN": ClassAccuracy(num_words=1, num_right=0),
        "SYM": ClassAccuracy(num_words=1, num_right=0),
    }


def test_tag_accuracy_is_printed_and_kept(tidemask: Command, tmp_path: Path, gold: Path) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "out"
    text.write_text("The boats swim, they said, and the sea was calm.\n")
    quick = ["--held-out", 0, "--workers", 1, "--vocab-size", 64]
    status, printed, _ = tidemask("prepare", text, "--out", out, "--check-tags", gold, *quick)
    assert status == 0
    assert "60.0 % of the words have their gold class, 100.0 % are rightly content" in printed
    assert re.search(r"PROPN +1 +0.0 %", printed)
    kept = open_corpus(out).manifest.tag_accuracy
    assert kept == tag_accuracy(gold, load_tagger("textblob"))
    gold.unlink()  # it belongs to the tagger, which is the same
    again = tmp_path / "again"
    status, printed, _ = tidemask("prepare", "--again", out, "--out", again, "--workers", 1)
    assert status == 0
    assert "60.0 % of the words have their gold class" in printed
    assert open_corpus(again).manifest.tag_accuracy == kept

    manifest = out / "manifest.json"
    other = json.loads(manifest.read_text())
    other["tagger_fingerprint"] = "textblob of another version"
    manifest.write_text(json.dumps(other))
    status, printed, _ = tidemask(
        "prepare", "--again", out, "--out", tmp_path / "c", "--workers", 1
    )
    assert status == 0
    assert open_corpus(tmp_path / "c").manifest.tag_accuracy is None


def test_tag_accuracy_refuses_what_cannot_be_checked(tmp_path: Path, gold: Path) -> None:
    with pytest.raises(UserError, match="tags to check without a tagger"):
        tag_accuracy(gold, None)
    tagger = load_tagger("textblob")
    with pytest.raises(UserError, match=r"no such file: .*x.conllu"):
        tag_accuracy(tmp_path / "x.conllu", tagger)
    gold.write_text("only text\n")
    with pytest.raises(UserError, match=r"broken columns: .*gold.conllu, line 1"):
        tag_accuracy(gold, tagger)
    gold.write_text("\n")
    with pytest.raises(UserError, match="no gold tags"):
        tag_accuracy(gold, tagger)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("treebank", "percent", "kind"), [("en_ewt", 90.9, 98.0), ("en_gum", 93.9, 98.6)]
)
def test_tag_accuracy_of_the_embedded_tagger(treebank: str, percent: float, kind: float) -> None:
    """On running text, with its own words; the guide has the figures."""
    path = SHARED_DATA / "pos" / f"{treebank}-ud-test.conllu.xz"
    if not path.is_file():
        pytest.skip("no shared data beside the checkout")
    found = tag_accuracy(path, load_tagger("textblob"))
    assert 100 * found.accuracy == pytest.approx(percent, abs=0.05)
    assert 100 * found.kind_accuracy == pytest.approx(kind, abs=0.05)
