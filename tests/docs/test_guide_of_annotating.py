"""The guide on columns: its commands run as they stand, with the function that it shows."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from documented_commands import write_printed
from places import ROOT
from tidemask.corpus.store.columns import column_names, open_column
from tidemask.corpus.store.corpus import open_corpus

Command = Callable[..., tuple[int, str, str]]
TEXT = (ROOT / "docs/guides/annotating.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_guide_of_annotating_runs(
    tidemask: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    blocks = re.findall(r"```(sh|python)\n(.*?)```", TEXT, flags=re.DOTALL)
    bands, module = [block for language, block in blocks if language == "python"]
    Path("my_spans.py").write_text(module, encoding="utf-8")
    for language, block in blocks:
        if block == bands:
            exec(compile(bands, "annotating.md", "exec"), {})
        for line in block.splitlines() if language == "sh" else ():
            if write_printed(line):
                continue
            status, _, err = tidemask(*shlex.split(line)[1:])
            assert status == 0, err
    corpus = open_corpus("corpus")
    assert column_names(corpus) == ["bands", "numbers", "phrases", "spans", "terms"]
    manifest = open_column(corpus, "terms").manifest
    assert manifest.class_names == ("DISEASE", "DRUG")
    band = open_column(corpus, "bands").manifest
    assert band.class_names == ("OFTEN", "ONCE")
    assert open_column(corpus, "phrases").manifest.num_groups == 4
