"""The benchmark of columns: every source of its table is measured, on a corpus of a few rows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.annotation import speed


@pytest.mark.slow
def test_annotation_speed_prints_a_row_for_each_source(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speed.main([str(corpus), "--rounds", "1", "--sources", "list", "tfidf"])
    rows = re.findall(
        r"^\| (.*?) \| [\d.]+ \| [\d.]+ \| [\d,]+ \| [\d,]+ \|$", capsys.readouterr().out, re.M
    )
    assert rows == [speed.SOURCES["list"], speed.SOURCES["tfidf"]]


@pytest.mark.parametrize("wrong", [["--rounds", "0"], ["--sources", "model"]])
def test_annotation_speed_refuses_what_it_cannot_measure(
    corpus: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        speed.main([str(corpus), *wrong])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
