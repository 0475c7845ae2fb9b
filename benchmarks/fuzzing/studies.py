"""A finished study of the small world, whose runs are trained in this process."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

from benchmarks import ROOT
from benchmarks.reliability import small_run

_DEFINITION = """\
question: Does the ratio matter?
corpus: {corpus}
arms:
  constant: {{recipe: bert}}
  decay: {{recipe: mrd-cosine}}
baseline: constant
seeds: [0]
equal: flops
settings: [{settings}]
"""


def write_study(root: Path, corpus: Path, *settings: str) -> None:
    """Write `study.yaml`, and `study/` with two runs and a page without drawings.

    Args:
        root: directory of both.
        corpus: in the same directory.
        settings: of all runs, over those of every small run.
    """
    sys.path.append(str(ROOT / "tests" / "support"))
    from engine_in_process import studies_in_process
    from tidemask import run_study

    file = root / "study.yaml"
    of_runs = [part for part in small_run.SETTINGS if not part.startswith("masking.")]
    given = ", ".join((*of_runs, *settings))
    file.write_text(_DEFINITION.format(corpus=corpus.name, settings=given), encoding="utf-8")
    with ExitStack() as stack:
        studies_in_process(lambda *of: stack.enter_context(mock.patch.object(*of)))
        run_study(file, out=root / "study", progress=False)
