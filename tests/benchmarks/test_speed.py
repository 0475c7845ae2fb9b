"""What the benchmarks of speed share: their pages, the checks of their options, their turns."""

from __future__ import annotations

from types import ModuleType

import pytest

from benchmarks.masking import speed as masking
from benchmarks.preparing import speed as preparing
from benchmarks.scoring import speed as scoring
from benchmarks.timing import time_in_turns
from benchmarks.training import speed as training

SCRIPTS = pytest.mark.parametrize(
    "script", [masking, preparing, scoring, training], ids=lambda m: m.__name__
)


@SCRIPTS
def test_speed_committed_page_is_that_of_the_committed_data(script: ModuleType) -> None:
    files = script.FILES
    assert files.page_path.read_text(encoding="utf-8") == files.page_of_kept()


@SCRIPTS
@pytest.mark.parametrize(
    "arguments",
    [
        ["--quick", "--table"],
        ["--quick", "--json", "/nowhere/rows.json"],
        ["--table-only", "--quick"],
        ["--fast"],
    ],
    ids=" ".join,
)
def test_speed_bad_arguments_get_one_line(
    script: ModuleType, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    check_refused(script, arguments, capsys)


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--rounds", "many"]], ids=" ".join)
def test_speed_rounds_of_masking_are_a_positive_number(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    check_refused(masking, arguments, capsys)


def check_refused(
    script: ModuleType, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The command ends with status 2 and one line on stderr."""
    with pytest.raises(SystemExit) as ended:
        script.main(arguments)
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1


def test_speed_candidates_take_turns() -> None:
    called: list[str] = []
    timings = time_in_turns(
        [lambda _, name=name: called.append(name) for name in "ab"], rounds=3, calls_per_turn=2
    )
    assert {timing.num_calls for timing in timings} == {3 * 15}  # quick ones make the maximum
    assert called[:2] == ["a", "b"]
    turns = "".join(called[2:])
    assert turns.count("ab") + turns.count("ba") >= 3
    assert all(0 < timing.lower <= timing.median <= timing.upper for timing in timings)
