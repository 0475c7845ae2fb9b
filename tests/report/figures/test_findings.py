from __future__ import annotations

from pathlib import Path

from synthetic_runs import MakeRun, read_runs
from tidemask.report.figures.all_charts import chart_groups
from tidemask.report.figures.findings import MAX_NAMED, extremes_in_words, ranked
from tidemask.report.results.arms import arms_of


def test_ranked_names_the_first_and_the_last_of_many() -> None:
    values = {f"arm-{number}": float(number) for number in range(MAX_NAMED + 2)}
    assert ranked(values, digits=0) == (
        "the lowest first: arm-0 0, arm-1 1, arm-2 2, arm-3 3, 4 between them, arm-8 8, arm-9 9"
    )
    assert ranked({"bert": 1.5}, digits=1, unit="nats") == "bert 1.5 nats"


def test_extremes_name_the_highest_and_the_lowest_classes() -> None:
    ends = {f"C{number}": float(number) for number in range(MAX_NAMED + 1)}
    assert extremes_in_words("bert", "loss", ends) == (
        "bert: loss at the end is highest for C8 8.00, C7 7.00, C6 6.00, and lowest for "
        "C2 2.00, C1 1.00, C0 0.00; 3 classes lie between."
    )


def test_every_chart_says_what_was_found(four_runs: list[Path]) -> None:
    runs = read_runs(four_runs)
    for charts in chart_groups(arms_of(runs)).values():
        for chart in charts:
            for panel in chart.panels:
                assert panel.missing or any(c.isdigit() for c in panel.alternative), panel.title


def test_charts_of_what_was_not_measured_have_no_numbers(make_run: MakeRun) -> None:
    runs = read_runs([make_run("bare", classes=False, evaluated=False, held_out_every=0)])
    for charts in chart_groups(arms_of(runs)).values():
        assert all(panel.missing or panel.alternative for chart in charts for panel in chart.panels)
