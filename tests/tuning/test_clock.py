"""The time of a search: counted over commands, and over before the budget is."""

from __future__ import annotations

import json
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from cases import all_cases
from tidemask.errors import UserError
from tidemask.training.signals import Interrupted, StopRequest
from tidemask.tuning.clock import SpentClock, TimedRequest


def test_time_of_all_commands_counts_and_no_time_between_them(tmp_path: Path) -> None:
    path, now = tmp_path / "time.json", 1000.0
    clock = SpentClock(path, lambda: now)
    assert clock.spent == 0.0
    with clock.noted():
        now += 60.5
    now += 999.0
    again = SpentClock(path, lambda: now)
    assert again.spent == 60.5
    with suppress(KeyboardInterrupt), again.noted():
        now += 10.0
        raise KeyboardInterrupt
    assert json.loads(path.read_text()) == {"spent_seconds": 70.5}


@all_cases("content", ["", "{}", '{"spent_seconds": "1"}', '{"spent_seconds": -1.0}', "[1]", "\0"])
def test_a_damaged_time_is_one_line_that_says_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / "time.json").write_text(content)
    with pytest.raises(UserError, match=r"time of the search: .*time.json.* Write ") as error:
        SpentClock(tmp_path / "time.json")
    assert "\n" not in str(error.value)


def test_a_timed_request_stops_when_asked_and_when_the_time_is_over() -> None:
    asked, is_over = StopRequest(), False
    timed = TimedRequest(asked, lambda: is_over)
    assert timed.received is None
    timed.raise_if_asked()
    is_over = True
    assert timed.received is signal.SIGTERM
    assert not timed.is_asked
    timed.raise_if_asked()
    asked.received = signal.SIGINT
    assert timed.received is signal.SIGINT
    assert timed.is_asked
    with pytest.raises(Interrupted):
        timed.raise_if_asked()
