"""The line of a stage: what it says, its width, and whose time it counts."""

from __future__ import annotations

from collections.abc import Sequence

from cases import all_cases
from tidemask.progress import reported
from tidemask.progress.display import ProgressDisplay
from tidemask.progress.line import Part, Stage, bar_line, duration, log_line, short
from tidemask.runs.displayed_metrics import display_records, metrics_parts

RECORD = {
    "loss": 4.8712,
    "held_out/loss": 4.923,
    "masking/ratio": 0.15,
    "masking/realised_ratio": 0.1213,
    "tokens_per_second": 12345.6,
}


def _training(*, done: int = 60_000, total: int = 100_000, **record: float) -> Stage:
    """A run continued by this process at step 50,000, a hundred seconds ago."""
    details = metrics_parts({**RECORD, **record})
    return Stage("training", 0.0, first=50_000, done=done, total=total, details=details)


def _shown(*records: dict[str, float]) -> str:
    """The line of a log after these lines of metrics."""
    shown = []

    class Display(ProgressDisplay):
        def on_detail(self, stage: str, details: Sequence[Part]) -> None:
            shown.append(Stage(stage, 0.0, first=0, done=1, total=2, details=details))

    on_record = display_records(Display())
    for record in records:
        on_record(record)
    return log_line(shown[-1], 9.0)


def test_progress_line_in_a_log_says_everything() -> None:
    assert log_line(_training(), 100.0) == (
        "training: 60000 of 100000  loss 4.87  held-out 4.92  ratio 0.150  12.3k tok/s  "
        "0:06:40 left"
    )


def test_progress_line_counts_the_speed_of_this_process_alone() -> None:
    """10,000 steps in 100 seconds, 40,000 left: 400 seconds, wherever the run began."""
    stage = _training()
    assert stage.per_second(100.0) == 100.0
    assert stage.time_part(100.0).text == "0:06:40 left"
    assert Stage("training", started=0.0, first=7, done=7, total=9).time_part(5.0) is None


def test_progress_line_of_a_finished_stage_says_how_long_it_took() -> None:
    assert log_line(_training(done=100_000), 100.0).endswith("in 0:01:40")


def test_progress_line_shows_the_realised_ratio_of_a_capped_budget() -> None:
    assert "ratio 0.150 (0.121 realised)" in log_line(_training(**{"masking/shortfall": 0.2}), 9.0)
    capped = {**RECORD, "masking/shortfall": 0.2}
    assert "realised" in _shown(RECORD, capped)
    assert "realised" not in _shown(capped, RECORD)


def test_progress_line_keeps_the_newest_held_out_loss() -> None:
    later = {"loss": 4.5, "masking/ratio": 0.1}
    assert "loss 4.50  held-out 4.92  ratio 0.100" in _shown(RECORD, later)


@all_cases("capped", [False, True])
@all_cases("width", [20, 40, 60, 79, 80, 100, 119, 120, 200])
def test_progress_line_fits_the_terminal(width: int, capped: bool) -> None:
    stage = _training(**({"masking/shortfall": 0.2} if capped else {}))
    line = bar_line(stage, 100.0, width=width, name_width=12)
    assert line.cell_len <= width
    assert "training" in line.plain


def test_progress_line_of_80_columns_says_everything() -> None:
    line = bar_line(_training(), 100.0, width=79).plain
    for part in ("60000/100000", "loss 4.87", "held 4.92", "ratio 0.150", "12.3k/s", "0:06:40"):
        assert part in line


def test_progress_line_bar_grows_with_what_is_done() -> None:
    drawn = [bar_line(_training(done=d), 100.0, width=120) for d in (50_001, 75_000, 100_000)]
    bars = [next(s for s in line.spans if "bar" in str(s.style)) for line in drawn]
    assert [span.end - span.start for span in bars] == sorted(s.end - s.start for s in bars)
    assert str(bars[-1].style) == "bar.finished"


def test_progress_line_durations_and_short_numbers() -> None:
    assert [duration(s) for s in (0.4, 59.6, 3661, 90_000)] == [
        "0:00:00", "0:01:00", "1:01:01", "1 d 1:00:00",
    ]  # fmt: skip
    assert [short(v) for v in (0.5, 12.3, 12_345, 2_500_000)] == ["0.5", "12", "12.3k", "2.5M"]


def test_items_that_were_done_before_count_and_take_no_time() -> None:
    """So that the time that is left is reckoned from what is done now."""
    calls: list[tuple[str, int, int | None]] = []
    items = reported(iter("xyz"), lambda *call: calls.append(call), "writing", 10, num_done=7)
    assert list(items) == ["x", "y", "z"]
    assert (calls[0], calls[-1]) == (("writing", 7, 10), ("writing", 10, 10))
