"""Write the pages of results again from the committed records of the studies.

    python benchmarks/studies/results_pages.py

compares each study under `studies/results` and fills `docs/results`: a table
stands between two comments and is one of the comparison; a figure is an image under `figures/`,
called by the study and its name in the comparison; a number is marked as `tidemask compare --check`
reads it, and keeps its digits and whether it has a sign. The words are written by hand.
`tests/studies/test_shipped_results.py` makes all of it again.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import ROOT
from tidemask.report.compare import write_page
from tidemask.report.results.answers import primary_answers
from tidemask.report.results.naming import in_arms
from tidemask.report.tables.arms import answer_table
from tidemask.report.tables.table_files import read_table, write_table
from tidemask.studies.comparison import runs_to_compare

RECORDS = ROOT / "studies" / "results"
PAGES = ROOT / "docs" / "results"
SUMMARIES = (PAGES / "index.md", ROOT / "README.md")
"""Pages that quote several studies; their tables are called `STUDY/TABLE`."""

_TABLE = re.compile(r"(<!-- table (?P<name>[\w/-]+) -->\n).*?(?=<!-- end of table -->)", re.DOTALL)
_NUMBER = re.compile(
    r"(?P<sign>[+−])?\d[\d,]*(?P<decimals>\.\d+)?"
    r"(?P<rest>[\s%)]*<!-- tidemask: (?P<place>[^>]*?) -->)"
)
_BASELINE = re.compile(r"<!-- (?:table |tidemask: )(?P<baseline>[\w-]+)/")
_FIGURE = re.compile(r"\]\((?P<place>figures/(?P<study>[\w-]+)-(?P<name>[a-z_]+)\.svg)\)")


def studies() -> list[str]:
    """The studies with records, by name."""
    return sorted(path.parent.name for path in RECORDS.glob("*/definition.yaml"))


def page_of(name: str) -> Path:
    """The page of a study."""
    return PAGES / f"{name}.md"


def compared(root: Path) -> Path:
    """A directory with a comparison of each study, and beside them all tables by study.

    The table of arms against another baseline than the study's, where its page has one, stands in
    a directory below its own that is called as that baseline.
    """
    (root / "tables").mkdir()
    for name in studies():
        runs, left_out, question = runs_to_compare([RECORDS / name])
        assert not left_out, left_out
        arms = in_arms(runs)
        tables = write_page(arms, question, out=root / name).directory / "tables"
        text = page_of(name).read_text(encoding="utf-8")
        for baseline in {match["baseline"] for match in _BASELINE.finditer(text)}:
            (tables / baseline).mkdir()
            answers = primary_answers(arms, replace(question, baseline=baseline))
            write_table(answer_table(answers), tables / baseline)
        (root / "tables" / name).symlink_to(tables)
    return root


def pages(root: Path) -> dict[Path, Path]:
    """The pages with numbers of studies, and the directory of the tables of each.

    Args:
        root: of `compared`.
    """
    return {page_of(name): root / name for name in studies()} | dict.fromkeys(SUMMARIES, root)


def filled(page: str, tables: Path) -> str:
    """A page with the tables and the numbers of a comparison.

    Args:
        page: its text.
        tables: directory of the tables, as `NAME.md` and `NAME.json`.
    """

    def table(found: re.Match[str]) -> str:
        return f"{found[1]}\n{(tables / (found['name'] + '.md')).read_text(encoding='utf-8')}\n"

    def number(found: re.Match[str]) -> str:
        name, row, column = shlex.split(found["place"])
        table = read_table(tables / f"{name}.json")
        (cells,) = (cells for cells in table.rows if str(cells[0]) == row)
        value = float(cells[table.names.index(column)] or 0.0)
        sign = "+" if found["sign"] else ""
        digits = len(found["decimals"] or ".") - 1
        shown = f"{value if sign else abs(value):{sign},.{digits}f}".replace("-", "−")
        return f"{shown}{found['rest']}"

    return _NUMBER.sub(number, _TABLE.sub(table, page))


def figures_of(name: str) -> dict[Path, str]:
    """The figures of a page, by place: the name of each in the comparison of its study."""
    text = page_of(name).read_text(encoding="utf-8")
    return {PAGES / found["place"]: found["name"] for found in _FIGURE.finditer(text)}


def main() -> None:
    """Write all pages and figures again."""
    with tempfile.TemporaryDirectory() as place:
        root = compared(Path(place))
        for name in studies():
            for figure, chart in figures_of(name).items():
                figure.parent.mkdir(exist_ok=True)
                shutil.copyfile(root / name / "figures" / f"{chart}.svg", figure)
        for page, report in pages(root).items():
            text = filled(page.read_text(encoding="utf-8"), report / "tables")
            page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
