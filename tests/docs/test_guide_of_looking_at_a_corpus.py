"""The guide on looking at a corpus: its commands and examples run on one."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from documented_commands import write_printed
from places import ROOT
from tidemask.report.corpus_page import SECTIONS

Command = Callable[..., tuple[int, str, str]]
TEXT = (ROOT / "docs/guides/looking-at-a-corpus.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_guide_of_looking_at_a_corpus_runs(
    tidemask: Command, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(corpus, tmp_path / "corpus")
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL):
        for line in block.splitlines():
            if write_printed(line):
                continue
            status, _, err = tidemask(*shlex.split(line)[1:])
            assert status == 0, err
    assert Path("corpus.html").is_file()
    assert "progress 0.5, step 1,000" in Path("preview.html").read_text(encoding="utf-8")
    pytest.importorskip("datasets")
    pytest.importorskip("pandas")
    for script in re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL):
        exec(compile(script, "looking-at-a-corpus.md", "exec"), {})


def test_guide_of_looking_at_a_corpus_names_every_table() -> None:
    assert re.findall(r"^\| `(\w+)` \|", TEXT, flags=re.MULTILINE) == list(SECTIONS)
