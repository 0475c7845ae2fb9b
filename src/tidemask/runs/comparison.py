"""The comparison of runs whose settings are read as `resume` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tidemask.files.atomic import check_new_directory
from tidemask.files.paths import PATHS, given_path, one_or_several
from tidemask.report.compare import Comparison, write_comparison
from tidemask.run_record import RunDirectory
from tidemask.runs.settings_check import check_run_settings
from tidemask.system_errors import named_causes


@named_causes("Compare fewer runs at once.")
def compare(runs: str | Path | Sequence[str | Path], *, out: str | Path) -> Comparison:
    """Write the comparison of some runs; a single one gives the report of that run.

    The same as `tidemask compare`. Everything is written aside and moved into place at the end:
    `out` is whole or absent.

    Args:
        runs: run directories; finished or not, evaluated or not.
        out: directory to be made; may exist if it is empty.

    Raises:
        UserError: no run, a run twice, a directory that is not a run or has no logged step, a
            damaged file, a run.yaml that is not whole or not what the run was trained with, or
            `out` exists and is not an empty directory.

    Example:
        >>> import tidemask
        >>> tiny = ["model.size=bert-tiny", "training.max_steps=2", "training.micro_batch_size=4"]
        >>> for recipe in ("bert", "mrd-cosine"):
        ...     _ = tidemask.pretrain("corpus", out=recipe, recipe=recipe, overrides=tiny)
        >>> comparison = tidemask.compare(["bert", "mrd-cosine"], out="report")
        >>> comparison.page.name, comparison.summary.values("run")
        ('index.html', ...)
    """
    out = given_path(out, "out")
    check_new_directory(out)
    named = one_or_several(runs, "runs", PATHS, "a run directory, or several")
    directories = [given_path(path, "runs") for path in named]
    for directory in directories:
        check_run_settings(RunDirectory(directory))
    return write_comparison(directories, out=out)
