"""The example of a narrow domain: its commands run as they stand, its numbers are right."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from child_processes import HUNG_SECONDS
from places import ROOT
from tidemask.corpus.store.columns import open_column
from tidemask.corpus.store.corpus import open_corpus
from tidemask.run_record import RunDirectory, read_metrics

Command = Callable[..., tuple[int, str, str]]
EXAMPLE = ROOT / "examples/narrow_domain"
QUICK = (
    "training.max_steps=2", "training.logging_steps=1", "evaluation.sequences=16",
    "evaluation.final_sequences=16", "evaluation.final_draws=1",
)  # fmt: skip


@pytest.mark.slow
def test_narrow_domain_example_runs(
    tidemask: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    printed = {}
    for line in "".join(re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)).splitlines():
        program, *words = shlex.split(line)
        if program == "python":
            script, arrow, name = words
            assert arrow == ">"
            notes = subprocess.check_output([sys.executable, script], timeout=HUNG_SECONDS)
            Path(name).write_bytes(notes)
            continue
        status, out, err = tidemask(*words, *(QUICK if words[0] == "pretrain" else ()))
        assert status == 0, err
        printed[words[0]] = out

    corpus = open_corpus("corpus")
    terms = open_column(corpus, "terms").manifest
    assert terms.class_names == ("DISEASE", "DRUG")
    assert round(terms.num_tokens["train"] / corpus.manifest.train.num_tokens, 2) == 0.07
    assert "progress 0.5" in printed["preview"]
    (last,) = (
        line for line in read_metrics(RunDirectory(Path("run")).metrics) if line["step"] == 2
    )
    assert {"class_loss/DRUG", "class_loss/DISEASE"} <= last.keys()
