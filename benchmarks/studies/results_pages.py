"""Write the pages of results again from the committed records of the studies.

    python benchmarks/studies/results_pages.py
    python benchmarks/studies/results_pages.py --check

compares each study under `studies/results` and fills `docs/results`: a table
stands between two comments and is one of the comparison; a figure is an image under `figures/`,
called by the study and its name in the comparison; a number is marked as `tidemask compare --check`
reads it, and keeps its digits and whether it has a sign; with what the runs were trained stands in
one line (`trained_with.py`). The words are written by hand. What pages
quote is kept beside the records, with the digests of all (`kept_results.py`); `--check`, which is a
part of `make docs`, compares records, figures and pages with them and writes nothing.
`tests/studies/test_shipped_results.py` makes all of it again.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import ROOT
from benchmarks.command import OneLineParser
from benchmarks.studies import kept_results
from benchmarks.studies.kept_results import RECORDS, studies
from benchmarks.studies.trained_with import with_machines
from tidemask.errors import UserError
from tidemask.report.figures.all_charts import chart_groups, file_charts
from tidemask.report.figures.rendering import rendered
from tidemask.report.paper import unsigned
from tidemask.report.results.answers import primary_answers
from tidemask.report.results.arms import arms_of
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.measures import measures_of
from tidemask.report.results.naming import in_arms
from tidemask.report.results.sources import ComparisonQuestion
from tidemask.report.tables.all_tables import all_tables
from tidemask.report.tables.arms import answer_table
from tidemask.report.tables.by_step import differences_by_step_table
from tidemask.report.tables.table_files import read_table, write_table
from tidemask.studies.comparison import runs_to_compare

PAGES = ROOT / "docs" / "results"
SUMMARIES = (PAGES / "index.md", ROOT / "README.md")
"""Pages that quote several studies; their tables are called `STUDY/TABLE`."""

ADVICE = (
    "Records stay as they were measured: get them back by git. Tables, figures and marked numbers "
    "are written again by `make pages` in studies."
)

_TABLE = re.compile(r"(<!-- table (?P<name>[\w/-]+) -->\n).*?(?=<!-- end of table -->)", re.DOTALL)
_NUMBER = re.compile(
    r"(?P<sign>[+−])?\d[\d,]*(?P<decimals>\.\d+)?"
    r"(?P<rest>[\s%)]*<!-- tidemask: (?P<place>[^>]*?) -->)"
)
_QUOTED = re.compile(r"<!-- (?:table|tidemask:) (?P<name>[\w/-]+) ")
_FIGURE = re.compile(r"\]\((?P<place>figures/(?P<study>[\w-]+)-(?P<name>[a-z0-9_]+)\.svg)\)")


def page_of(name: str) -> Path:
    """The page of a study."""
    return PAGES / f"{name}.md"


def compared(root: Path) -> Path:
    """A directory with what pages show of the comparison of each study, and all tables by study.

    The tables of arms against another baseline than the study's, or by another measure than the
    declared one, stand in a directory below its own that is called as that baseline or measure.
    """
    (root / "tables").mkdir()
    for name in studies():
        runs, left_out, question = runs_to_compare([RECORDS / name])
        assert not left_out, left_out
        _compare(name, in_arms(runs), question, root / name)
        (root / "tables" / name).symlink_to(root / name / "tables")
    return root


def _compare(
    name: str, runs: Sequence[ComparedRun], question: ComparisonQuestion, out: Path
) -> None:
    """Write the tables and the figures of a study that pages quote."""
    tables, figures, wanted = out / "tables", out / "figures", quoted(name) | {"arms"}
    tables.mkdir(parents=True)
    figures.mkdir()
    answers = primary_answers(runs, question)
    for table in all_tables(runs, answers):
        if table.name in wanted:
            write_table(table, tables)
    for other in {table.partition("/")[0] for table in wanted if "/" in table}:
        (tables / other).mkdir()
        is_measure = other in measures_of(runs)
        asked = {"primary": other, "margin": None} if is_measure else {"baseline": other}
        found = primary_answers(runs, replace(question, **asked))
        for table in (answer_table(found), differences_by_step_table(found)):
            write_table(table, tables / other)
    drawn, arms = set(figures_of(name).values()), arms_of(runs)
    for chart in file_charts(arms, chart_groups(arms, answers)):
        if chart.name in drawn:
            (figures / f"{chart.name}.svg").write_bytes(rendered(chart, ["svg"])["svg"])


def pages(root: Path) -> dict[Path, Path]:
    """The pages with numbers of studies, and the directory of the tables of each.

    Args:
        root: of `compared`.
    """
    return {page_of(name): root / name for name in studies()} | dict.fromkeys(SUMMARIES, root)


def filled(page: str, tables: Path) -> str:
    """A page with the tables and the numbers of a comparison, and with what its runs had.

    Args:
        page: its text.
        tables: directory of the tables, as `NAME.md` and `NAME.json`.
    """

    def table(found: re.Match[str]) -> str:
        return f"{found[1]}\n{(tables / (found['name'] + '.md')).read_text(encoding='utf-8')}\n"

    def number(found: re.Match[str]) -> str:
        name, row, column, *direction = shlex.split(found["place"])
        table = read_table(tables / f"{name}.json")
        cells = next((cells for cells in table.rows if str(cells[0]) == row), None)
        if cells is None:
            raise UserError(f"no row {row} in table {name}, which a number of a page names")
        value = float(cells[table.names.index(column)] or 0.0)
        digits = len(found["decimals"] or ".") - 1
        if found["sign"] and direction:
            raise UserError(f"two signs of a number: {found['place']}. Leave out `negative`.")
        if not found["sign"]:
            value = unsigned(value, direction, where=found["place"])
        shown = f"{value:{'+' if found['sign'] else ''},.{digits}f}".replace("-", "−")
        return f"{shown}{found['rest']}"

    return with_machines(_NUMBER.sub(number, _TABLE.sub(table, page)))


def figures_of(name: str) -> dict[Path, str]:
    """The figures of a page, by place: the name of each in the comparison of its study."""
    text = page_of(name).read_text(encoding="utf-8")
    return {PAGES / found["place"]: found["name"] for found in _FIGURE.finditer(text)}


def quoted(name: str) -> set[str]:
    """The tables of a study that its page or a summary quotes."""
    of_page = {found["name"] for found in _QUOTED.finditer(page_of(name).read_text("utf-8"))}
    of_all = {
        found["name"]
        for summary in SUMMARIES
        for found in _QUOTED.finditer(summary.read_text("utf-8"))
    }
    return of_page | {
        table.removeprefix(f"{name}/") for table in of_all if table.startswith(f"{name}/")
    }


def write() -> None:
    """Write all pages and figures again, and what is kept of their studies."""
    with tempfile.TemporaryDirectory() as place:
        root = compared(Path(place))
        for name in studies():
            for figure, chart in figures_of(name).items():
                figure.parent.mkdir(exist_ok=True)
                shutil.copyfile(root / name / "figures" / f"{chart}.svg", figure)
        for page, report in pages(root).items():
            text = filled(page.read_text(encoding="utf-8"), report / "tables")
            page.write_text(text, encoding="utf-8")
        for name in studies():
            study = RECORDS / name
            kept_results.keep_tables(study, root / name / "tables", quoted(name))
            sums = kept_results.sums_of(study, figures_of(name))
            (study / kept_results.SUMS).write_text(sums, encoding="utf-8")


def problems() -> list[str]:
    """What of records, figures and pages is not as it was written, a line for each; quick."""
    found = []
    for name in studies():
        study = RECORDS / name
        listed = (study / kept_results.SUMS).relative_to(ROOT)
        found += [
            f"{place}: not as {listed} has it"
            for place in kept_results.differences(study, figures_of(name))
        ]
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        (root / "tables").mkdir()
        for name in studies():
            tables = RECORDS / name / kept_results.TABLES
            (root / name).mkdir()
            (root / name / "tables").symlink_to(tables)
            (root / "tables" / name).symlink_to(tables)
        found += [line for page, report in pages(root).items() if (line := edited(page, report))]
    return found


def edited(page: Path, report: Path) -> str | None:
    """The first line of a page that is not as its tables say, or `None`.

    Args:
        page: the file.
        report: directory with `tables`.
    """
    text = page.read_text(encoding="utf-8")
    try:
        expected = filled(text, report / "tables")
    except (UserError, OSError, ValueError) as error:
        return f"{page}: {error}"
    for number, (ours, theirs) in enumerate(
        zip_longest(text.splitlines(), expected.splitlines()), start=1
    ):
        if ours != theirs:
            return f"{page}:{number}: {ours!r}, but by the records it is {theirs!r}"
    return None


def main() -> None:
    """Write, or check."""
    parser = OneLineParser(prog="results_pages.py", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare and write nothing")
    if not parser.parse_args().check:
        write()
    elif found := problems():
        sys.exit("\n".join([*found, ADVICE]))


if __name__ == "__main__":
    main()
