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
from tidemask.report.compare import write_page
from tidemask.report.paper import unsigned
from tidemask.report.results.answers import primary_answers
from tidemask.report.results.measures import measures_of
from tidemask.report.results.naming import in_arms
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
_OTHER = re.compile(r"<!-- (?:table |tidemask: )(?P<other>[\w-]+)/")
_QUOTED = re.compile(r"<!-- (?:table|tidemask:) (?P<name>[\w/-]+) ")
_FIGURE = re.compile(r"\]\((?P<place>figures/(?P<study>[\w-]+)-(?P<name>[a-z0-9_]+)\.svg)\)")


def page_of(name: str) -> Path:
    """The page of a study."""
    return PAGES / f"{name}.md"


def compared(root: Path) -> Path:
    """A directory with a comparison of each study, and beside them all tables by study.

    The tables of arms against another baseline than the study's, or by another measure than the
    declared one, stand in a directory below its own that is called as that baseline or measure.
    """
    (root / "tables").mkdir()
    for name in studies():
        runs, left_out, question = runs_to_compare([RECORDS / name])
        assert not left_out, left_out
        arms = in_arms(runs)
        tables = write_page(arms, question, out=root / name).directory / "tables"
        text = page_of(name).read_text(encoding="utf-8")
        for other in {match["other"] for match in _OTHER.finditer(text)}:
            (tables / other).mkdir()
            is_measure = other in measures_of(arms)
            asked = {"primary": other, "margin": None} if is_measure else {"baseline": other}
            answers = primary_answers(arms, replace(question, **asked))
            for table in (answer_table(answers), differences_by_step_table(answers)):
                write_table(table, tables / other)
        (root / "tables" / name).symlink_to(tables)
    return root


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
