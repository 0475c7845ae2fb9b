"""Results of the studies: what their pages show is made again from the committed records."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from benchmarks.studies import kept_results, results_pages
from benchmarks.studies.kept_results import RECORDS
from tidemask.report.paper import check_numbers
from tidemask.report.tables.table_files import WrittenTable, read_table
from tidemask.studies.definition import read_study

NAMES = kept_results.studies()
CELLS = ("loss_5", "loss_15", "loss_30", "word_loss_5", "word_loss_15", "word_loss_30")

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The comparison of each study, made from the records in the repository."""
    return results_pages.compared(tmp_path_factory.mktemp("reports"))


@pytest.mark.slow
def test_pages_of_results_have_the_numbers_and_tables_of_the_records(reports: Path) -> None:
    for page, report in results_pages.pages(reports).items():
        marked, problems = check_numbers(page, report)
        assert problems == []
        assert marked >= 3, page
        text = page.read_text(encoding="utf-8")
        assert results_pages.filled(text, report / "tables") == text


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_figures_of_pages_are_those_of_the_records(name: str, reports: Path) -> None:
    figures = results_pages.figures_of(name)
    assert figures
    for figure, chart in figures.items():
        made = (reports / name / "figures" / f"{chart}.svg").read_text(encoding="utf-8")
        ours, theirs = _drawing(figure.read_text(encoding="utf-8")), _drawing(made)
        assert ours[0] == theirs[0], figure
        np.testing.assert_allclose(ours[1], theirs[1], rtol=0, atol=0.05, err_msg=str(figure))


def _drawing(svg: str) -> tuple[str, Floats]:
    """An SVG without ids, which are hashes of coordinates: its text, and its numbers in points."""
    svg = re.sub(r'(?<=["#])[mp]?[0-9a-f]{10}(?=[")])', "", svg)
    number = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
    found = np.array([float(text) for text in re.findall(number, svg)])
    return re.sub(number, "0", svg), found


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_kept_tables_are_those_of_the_records(name: str, reports: Path) -> None:
    kept = {path.relative_to(RECORDS / name) for path in (RECORDS / name).glob("tables/**/*.json")}
    assert {path.relative_to("tables").with_suffix("").as_posix() for path in kept} == (
        results_pages.quoted(name)
    )
    for place in kept:
        ours, theirs = read_table(RECORDS / name / place), read_table(reports / name / place)
        assert ours.names == theirs.names
        for row, expected in zip(ours.rows, _placeless(theirs), strict=True):
            assert row == [
                pytest.approx(cell, rel=1e-6, abs=1e-9) if isinstance(cell, float) else cell
                for cell in expected
            ]


def _placeless(table: WrittenTable) -> list[list[str | int | float | None]]:
    """Its rows without the place of the repository."""
    return [
        [kept_results.without_root(cell) if isinstance(cell, str) else cell for cell in row]
        for row in table.rows
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_intervals_and_p_come_again_from_the_records_with_scipy_alone(
    name: str, reports: Path
) -> None:
    study = read_study(RECORDS / name / "definition.yaml")
    table = read_table(reports / name / "tables" / "arms.json")
    arms = [arm for arm in study.arms if arm != study.baseline]
    ours = {arm: _difference(name, arm, study.baseline, study.primary) for arm in arms}
    theirs = {
        arm: [_cell(table, arm, name) for name in ("difference", "low", "high")] for arm in arms
    }
    for arm in arms:
        assert ours[arm][:3] == pytest.approx(theirs[arm], rel=1e-6, abs=1e-9)
    order = sorted(arms, key=lambda arm: ours[arm][3])
    adjusted = 0.0  # Holm's rule, which scipy does not have
    for rank, arm in enumerate(order):
        adjusted = max(adjusted, min(1.0, (len(arms) - rank) * ours[arm][3]))
        assert _cell(table, arm, "p") == pytest.approx(adjusted, rel=1e-5, abs=1e-12)


def _difference(
    name: str, arm: str, baseline: str, measure: str
) -> tuple[float, float, float, float]:
    """Difference, interval and p: of a task over seeds, of held-out loss over sequences as well."""
    if measure == "held_out/loss":
        return _crossed_difference(name, arm, baseline)
    ours, theirs = (_scores(name, of, measure) for of in (arm, baseline))
    seeds = sorted(ours.keys() & theirs.keys())
    test = stats.ttest_rel([ours[seed] for seed in seeds], [theirs[seed] for seed in seeds])
    low, high = test.confidence_interval(0.95)
    mean = float(np.mean([ours[seed] - theirs[seed] for seed in seeds]))
    return mean, float(low), float(high), float(test.pvalue)


def _scores(name: str, arm: str, task: str) -> dict[str, float]:
    """The main metric x 100 of the final model of each seed, which has one of fine-tuning."""
    found = (RECORDS / name / "runs" / arm).glob(f"*/evaluation/{task}--final--seed-0.json")
    contents = {path.parents[1].name: json.loads(path.read_text("utf-8")) for path in found}
    return {
        seed: 100 * content["metrics"][content["main_metric"]] for seed, content in contents.items()
    }


def _crossed_difference(name: str, arm: str, baseline: str) -> tuple[float, float, float, float]:
    """Over seeds and sequences, by the mean squares of the two-way table."""
    seeds = _seeds(name, arm) & _seeds(name, baseline)
    pairs = [(_cells(name, arm, seed), _cells(name, baseline, seed)) for seed in sorted(seeds)]
    counts = pairs[0][0][1]
    sums = np.stack([ours[0] - theirs[0] for ours, theirs in pairs])  # [seeds, cells, sequences]
    cells = (sums.sum(2) / counts.sum(1)).mean(0)
    share = counts.shape[1] / counts.sum(1)
    spread = (share[:, None] * (sums - cells[:, None] * counts)).mean(1)  # [seeds, sequences]
    s, n = spread.shape
    by_seed, by_item = spread.mean(1), spread.mean(0)
    rest = spread - by_seed[:, None] - by_item + spread.mean()
    squares = np.array(
        [n * by_seed.var(ddof=1), s * by_item.var(ddof=1), (rest**2).sum() / ((s - 1) * (n - 1))]
    )
    parts = squares[:2] / (s * n)
    variance = max(parts.sum() - squares[2] / (s * n), *parts)
    df = variance**2 / (parts**2 / [s - 1, n - 1]).sum()
    mean, error = cells.mean(), variance**0.5
    half = stats.t.ppf(0.975, df) * error
    return mean, mean - half, mean + half, 2 * stats.t.sf(abs(mean) / error, df)


def _seeds(name: str, arm: str) -> set[str]:
    found = (RECORDS / name / "runs" / arm).glob("*/evaluation/held-out--final.npz")
    return {path.parents[1].name for path in found}


def _cells(name: str, arm: str, seed: str) -> tuple[Floats, Floats]:
    """Sums and counts of the six cells of a run's final model, `[cells, sequences]`."""
    place = RECORDS / name / "runs" / arm / seed / "evaluation" / "held-out--final.npz"
    with np.load(place) as arrays:
        rows = [list(arrays["losses"]).index(f"held_out/{cell}") for cell in CELLS]
        return arrays["sums"][rows].astype(np.float64), arrays["counts"][rows].astype(np.float64)


def _cell(table: WrittenTable, arm: str, column: str) -> float:
    (row,) = (row for row in table.rows if row[0] == arm)
    value = row[table.names.index(column)]
    assert isinstance(value, float)
    return value


def test_every_study_with_results_has_a_page_and_every_page_its_records() -> None:
    written = {path.stem for path in results_pages.PAGES.glob("*.md")}
    assert written == {*NAMES, "index"}
    assert NAMES
