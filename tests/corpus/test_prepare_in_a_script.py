"""The Python of the README as a script: workers that do not run it again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from prose import text
from tidemask.corpus.prepare import prepare
from tidemask.corpus.store.corpus import open_corpus


@pytest.mark.slow
def test_prepare_in_a_script_without_a_guard_needs_none(tmp_path: Path) -> None:
    """Its workers do not import the script, and so do not prepare again."""
    (tmp_path / "text.txt").write_text(text(300), encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(
        "import tidemask\n"
        "corpus = tidemask.prepare('text.txt', out='out', vocab_size=200, workers=2)\n"
        "print(corpus.manifest.train.num_documents)\n"
    )
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    prepare(tmp_path / "text.txt", out=tmp_path / "one", vocab_size=200, workers=1, progress=False)
    one, other = (open_corpus(tmp_path / name).manifest for name in ("one", "out"))
    assert one.fingerprint == other.fingerprint
