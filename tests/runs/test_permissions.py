"""Every file that is written, by whatever library, has the permissions that the umask leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import tidemask
from prose import text
from small_runs import TINY


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_permissions_of_all_that_is_written_follow_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        (tmp_path / "text.txt").write_text(text(40), encoding="utf-8")
        small = {"vocab_size": 200, "sequence_length": 32, "held_out": 0.2, "workers": 1}
        tidemask.prepare(
            tmp_path / "text.txt", out=tmp_path / "corpus", tagger="none", progress=False, **small
        )
        settings = [*TINY, "training.report_to=auto"]
        run = tmp_path / "run"
        tidemask.pretrain(tmp_path / "corpus", out=run, overrides=settings, progress=False)
        tidemask.evaluate(run, tasks="pseudo-perplexity", progress=False)
        tidemask.compare(run, out=tmp_path / "report", png=True)
    finally:
        os.umask(before)
    modes = {path: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    wrong = {
        path.relative_to(tmp_path).as_posix(): oct(mode)
        for path, mode in modes.items()
        if mode != (0o777 if path.is_dir() else 0o666) & ~umask
    }
    assert wrong == {}
    assert any(path.name == "model.safetensors" for path in modes)
    assert any("tfevents" in path.name for path in modes)
    assert any(path.suffix == ".png" for path in modes)
