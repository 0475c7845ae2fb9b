"""A comparison of a study: its definition says what is compared; what cannot be read is named."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from synthetic_runs import SyntheticRun, write_run
from tidemask.errors import UserError
from tidemask.progress.display import ProgressDisplay
from tidemask.report import compare as report
from tidemask.studies.comparison import compare
from tidemask.studies.directory import StudyDirectory
from tidemask.studies.page import StudyPage, last_verdicts

Command = Callable[..., tuple[int, str, str]]

DEFINITION = """
question: Does a ratio that decays pay?
corpus: /data/corpus
arms: {decay: {recipe: mrd-cosine}, constant: {recipe: bert}}
baseline: constant
seeds: [0, 1, 2, 3]
primary: held_out/loss_15
margin: 0.001
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three seeds of four are trained; nothing is drawn."""
    monkeypatch.setattr(report, "rendered", lambda chart, formats: {"svg": b""})
    monkeypatch.setattr("tidemask.report.page.panel_svgs", lambda chart: [""] * len(chart.panels))
    root = tmp_path / "study"
    root.mkdir()
    (root / "definition.yaml").write_text(DEFINITION)
    for arm, schedule, gain in (
        ("constant", ("constant", 0.15, 0.15), 1.0),
        ("decay", ("cosine", 0.3, 0.1), 1.1),
    ):
        for seed in (0, 1, 2):
            place = root / "runs" / arm / f"seed-{seed}"
            made = SyntheticRun(
                schedule=schedule, seed=seed, max_steps=100, last_step=100, gain=gain + 0.02 * seed
            )
            place.parent.mkdir(parents=True, exist_ok=True)
            write_run(place, made)
    return root


def test_comparison_of_a_study_answers_its_question(study: Path) -> None:
    place = StudyDirectory(study)
    with ProgressDisplay() as display:
        StudyPage(place, display).write()
    page = place.page.read_text()
    assert "<h1>Does a ratio that decays pay?</h1>" in page
    assert "2 runs of the study have not logged a step yet." in page
    (sentence,) = last_verdicts(place)
    assert sentence.startswith("decay is better than constant: −")
    assert sentence in page
    table = json.loads((place.report / "tables" / "arms.json").read_text())
    names = [column["name"] for column in table["columns"]]
    assert [dict(zip(names, row, strict=True))["arm"] for row in table["rows"]] == [
        "decay", "constant",
    ]  # fmt: skip


def test_comparison_of_a_study_leaves_a_damaged_run_out_by_name(study: Path) -> None:
    with (study / "runs" / "decay" / "seed-1" / "metrics.jsonl").open("a") as file:
        file.write("rubbish\n")
    found = compare(study, out=study / "report")
    assert found.arms.values("seeds") == ["0, 2", "0, 1, 2"]
    page = found.page.read_text()
    assert "Left out: decay/seed-1, which cannot be read: damaged metrics" in page
    for config in study.glob("runs/*/*/run.yaml"):
        config.write_text("recipe: bert\n")
    with pytest.raises(UserError, match=r"^nothing to compare: Left out: constant/seed-0, which"):
        compare(study, out=study / "report")
    assert found.page.read_text() == page


@pytest.mark.slow
def test_comparison_of_runs_leaves_a_damaged_one_out_by_name(
    study: Path, tmp_path: Path, tidemask: Command
) -> None:
    places = [
        study / "runs" / arm / f"seed-{n}" for arm in ("constant", "decay") for n in (0, 1, 2)
    ]
    config = places[4] / "run.yaml"
    config.write_bytes(config.read_bytes()[:200])
    found = compare(places, out=tmp_path / "report")
    assert [len(seeds.split(", ")) for seeds in found.arms.values("seeds")] == [2, 3]
    (left_out,) = found.left_out
    assert left_out.startswith(f"Left out: {places[4]}, which cannot be read: wrong configuration")
    assert left_out in html.unescape(found.page.read_text())
    status, shown, errors = tidemask("compare", *places, "--out", tmp_path / "report")
    assert (status, errors) == (2, f"tidemask: {left_out}\n")
    assert found.verdicts[0] in shown
    before = found.page.read_bytes()
    for wrong in ([places[4], *places[:2]], [*places[:2], tmp_path]):
        with pytest.raises(UserError, match=r"wrong configuration|not a run directory"):
            compare(wrong, out=tmp_path / "report")
    assert found.page.read_bytes() == before


@pytest.mark.slow
def test_numbers_are_checked_against_the_page_of_a_study(
    study: Path, tmp_path: Path, tidemask: Command
) -> None:
    found = compare(study, out=study / "report")
    value = dict(zip(found.arms.values("arm"), found.arms.values("mean"), strict=True))["decay"]
    paper = tmp_path / "paper.md"
    paper.write_text(f"It ends at {value:.3f} <!-- tidemask: arms decay mean --> nats.")
    for place in (study, study / "report"):
        assert tidemask("compare", "--check", paper, place)[0] == 0


@pytest.mark.slow
def test_comparison_takes_another_baseline_and_its_own_place(study: Path) -> None:
    compare(study, out=study / "report")
    found = compare([study], out=study / "report", baseline="decay")
    assert found.verdicts[0].startswith("constant is worse than decay")


def test_comparison_refuses_studies_that_are_decided_otherwise(study: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "definition.yaml").write_text(DEFINITION.replace("0.001", "0.002"))
    with pytest.raises(UserError, match=r"different questions: margin=0\.002 in .*other, 0\.001"):
        compare([study, other], out=tmp_path / "out")


def test_page_of_a_study_is_written_as_often_as_it_is_worth(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("tidemask.studies.page.time.monotonic", lambda: now[0])
    written: list[float] = []

    def write(*_: object, **__: object) -> None:
        written.append(now[0])
        now[0] += 2.0  # what it takes

    monkeypatch.setattr("tidemask.studies.comparison.compare", write)
    with ProgressDisplay() as display:
        page = StudyPage(StudyDirectory(study), display, live_seconds=60.0)
        for second in range(0, 200, 10):
            now[0] = max(now[0], float(second))
            page.while_running()
            if second == 20:
                page.after_run()
                page.after_run()  # at once: 2 of 40 seconds are enough
    assert written == [20.0, 90.0, 160.0]


def test_page_is_not_written_before_there_is_something_to_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr("tidemask.studies.page.time.monotonic", lambda: now[0])
    with ProgressDisplay() as display:
        page = StudyPage(StudyDirectory(tmp_path), display, live_seconds=60.0)
        for now[0] in (0.0, 100.0, 200.0):
            page.while_running()
    assert page.problem == ""
    assert capsys.readouterr().err == ""


def test_comparison_refuses_a_run_beside_its_own_study(study: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the same run twice: .*decay/seed-1"):
        compare([study, study / "runs" / "decay" / "seed-1"], out=tmp_path / "out")
    with pytest.raises(UserError, match="no run was named"):
        compare([], out=tmp_path / "out")
