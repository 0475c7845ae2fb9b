"""What `tidemask compare` prints at its end: the scores of the runs in the width of a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidemask.cli.tables import print_table
from tidemask.cli.terminal import stdout
from tidemask.run_record import HELD_OUT_PERCENTS, PREDICTED_TOKENS, UNIGRAM_ENTROPY, WALL_SECONDS

if TYPE_CHECKING:
    from tidemask.report.compare import Comparison
    from tidemask.report.tables.typed_table import Table

_WIDTH = 80
_NAME_WIDTH = 12
_GAP = 3


def show_comparison(comparison: Comparison) -> None:
    """Print the final scores in the width of a terminal; the page and the CSV files hold more."""
    _show_held_out(comparison.summary)
    if comparison.downstream.rows:
        _show_downstream(comparison.downstream)
    for sentence in (*comparison.warnings, comparison.seeds):
        stdout.print(sentence, soft_wrap=True)
    stdout.print(f"Report: {comparison.page}", soft_wrap=True)


def _show_held_out(summary: Table) -> None:
    losses = [f"loss_{percent}" for percent in HELD_OUT_PERCENTS]
    names = ["run", "mean_ratio", PREDICTED_TOKENS, WALL_SECONDS, *losses]
    table = summary.select([*names, UNIGRAM_ENTROPY])
    headings = ["run", "ratio", "predicted", "min:s"]
    headings += [f"{percent} %" for percent in HELD_OUT_PERCENTS] + ["entropy"]
    rows = [[cell.split(" ± ")[0] for cell in row] for row in table.shown_rows()]
    for row, seconds in zip(rows, table.values(WALL_SECONDS), strict=True):
        if isinstance(seconds, float | int):
            row[3] = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
    print_table(headings, rows, title="Held-out loss at 5, 15 and 30 % masked, nats per token")


def _show_downstream(table: Table) -> None:
    """Tasks down, runs across: as many runs at once as fit, the others in a table below."""
    headings = [_narrow(str(label)) for label in table.values("run")]
    columns = zip(table.shown_columns, zip(*table.shown_rows(), strict=True), strict=True)
    lines = [
        [_narrow(column.title), *cells]
        for column, cells in list(columns)[1:]
        if not column.name.startswith("loss_")
    ]
    title = "Downstream scores: median (lowest to highest) over the seeds"
    for block in _blocks(headings, lines):
        chosen = [[line[0], *(line[1 + place] for place in block)] for line in lines]
        print_table(["task", *(headings[place] for place in block)], chosen, title=title)


def _narrow(label: str) -> str:
    """A name over several lines, for runs stand side by side."""
    return "\n".join(textwrap.wrap(label, _NAME_WIDTH))


def _blocks(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> list[list[int]]:
    """Places of the runs that stand side by side."""
    names = max(len(part) for line in lines for part in line[0].split("\n"))
    room = _WIDTH - max(len("task"), names) - _GAP
    blocks: list[list[int]] = []
    left = 0
    for place, heading in enumerate(headings):
        cells = [*heading.split("\n"), *(line[1 + place] for line in lines)]
        width = max(map(len, cells)) + _GAP
        if not blocks or width > left:
            blocks.append([])
            left = room
        blocks[-1].append(place)
        left -= width
    return blocks
