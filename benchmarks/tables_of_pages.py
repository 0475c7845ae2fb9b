"""Tables of the pages of benchmarks whose words are written by hand.

    python benchmarks/tables_of_pages.py

writes the tables of `docs/benchmarks/PAGE.md` again from `benchmarks/results/PAGE-cpu.json`, which
also says on which machine, when and by which commands they were measured. A table stands between
`<!-- table NAME -->` and `<!-- end of table -->`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import ROOT

_TABLE = re.compile(r"(<!-- table (?P<name>[\w-]+) -->\n).*?(?=<!-- end of table -->)", re.DOTALL)


@dataclass(frozen=True)
class Layout:
    """How a table is written in Markdown.

    Attributes:
        heading: its first line.
        rule: its second line.
        row: format of each further line, over the names in the results.
    """

    heading: str
    rule: str
    row: str

    def written(self, rows: list[Mapping[str, Any]]) -> str:
        """The table, a line for each row."""
        lines = [self.heading, self.rule, *(self.row.format(**row) for row in rows)]
        return "".join(f"{line}\n" for line in lines)


_CELLS = Layout(
    "| run | loss | here | recorded | difference | z |",
    "|---|---|--:|--:|--:|--:|",
    "| {run} | `{loss}` | {here:.4f} ± {here_error:.4f} | {recorded:.4f} ± {recorded_error:.4f} "
    "| {difference:+.4f} | {z:+.2f} |",
)
LAYOUTS: dict[str, dict[str, Layout]] = {
    "annotating": {
        "sources": Layout(
            "| source | before, s | values, s | tokens a second of values |",
            "|---|--:|--:|--:|",
            "| {source} | {before_seconds:.2f} | {values_seconds:.2f} | {tokens_per_second:,} |",
        )
    },
    "held-out": {"study-and-demo": _CELLS, "modernbert": _CELLS, "demo": _CELLS},
    "reliability": {
        "kills": Layout(
            "| start | steps | a checkpoint | last evaluation | final model |",
            "|--:|--:|--:|--:|--:|",
            "| {start} | {steps} | {checkpoint} | {last_evaluation} | {final_model} |",
        ),
        "verdicts": Layout(
            "| verdict | trials | what it means |",
            "|---|--:|---|",
            "| {verdict} | {trials:,} | {meaning} |",
        ),
        "kinds": Layout("| kind | trials |", "|---|--:|", "| {kind} | {trials} |"),
    },
}
"""The tables of each page."""


def page_of(name: str) -> Path:
    """The page of that name."""
    return ROOT / "docs" / "benchmarks" / f"{name}.md"


def results_of(name: str) -> dict[str, Any]:
    """What was measured for a page, as its file has it."""
    path = ROOT / "benchmarks" / "results" / f"{name}-cpu.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def filled(name: str, page: str) -> str:
    """A page's text with the tables of its results."""
    tables = results_of(name)["tables"]

    def table(found: re.Match[str]) -> str:
        rows = tables[found["name"]]["rows"]
        return f"{found[1]}\n{LAYOUTS[name][found['name']].written(rows)}\n"

    return _TABLE.sub(table, page)


def main() -> None:
    """Write all tables again."""
    for name in LAYOUTS:
        path = page_of(name)
        path.write_text(filled(name, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
