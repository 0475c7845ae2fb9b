"""The files of a run directory with values of other types: one line with file, line and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cases import all_cases
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory, cut_metrics, read_metrics

LINE = {"step": 3, "progress": 0.5, "loss": 1.25, "tokens_seen": 96, "grad_norm": None}
OTHER_VALUES = ["3", [], {}, [1.0], True, float("nan"), float("inf")]


def _metrics(path: Path, *lines: Any) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_record_reads_lines_with_every_bit(tmp_path: Path) -> None:
    path = _metrics(tmp_path / "metrics.jsonl", LINE, {**LINE, "step": 4, "loss": 1 / 3})
    path.write_text(path.read_text() + '{"step": 5, "lo')
    assert read_metrics(path) == [LINE, {**LINE, "step": 4, "loss": 1 / 3}]


@all_cases("value", OTHER_VALUES)
@all_cases("name", ["step", "loss", "tokens_seen", "held_out/loss_15"])
def test_record_refuses_a_line_with_a_value_of_another_type(
    name: str, value: object, tmp_path: Path
) -> None:
    path = _metrics(tmp_path / "metrics.jsonl", LINE, {**LINE, "step": 4, name: value})
    before = path.read_bytes()
    with pytest.raises(UserError) as caught:
        cut_metrics(path, last_step=10)
    said = str(caught.value)
    assert said.startswith(f"damaged metrics: {path}, line 2: ")
    assert name in said or value != value or value == float("inf")
    assert "\n" not in said
    assert path.read_bytes() == before


@all_cases(
    "line", [b'{"step": 1}', b'{"step": 0}', b"[]", b"3", b"null", b"{}", b'{"step": null}',
             b'{"step": 1e9}', b'{"step": -1}',
             b'{"step": 2, "step": 3}', b'{"step": 2, "\xff": 2}', b"", b'{"step": 1',
             b'{"step": ' + b"9" * 5000 + b"}", b'{"step": 2, "loss": 1' + b"0" * 400 + b"}"]
)  # fmt: skip
def test_record_refuses_what_is_no_line_of_metrics(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line + b"\n")
    with pytest.raises(UserError, match=r"damaged metrics: .*metrics\.jsonl, line 2: "):
        read_metrics(path)


@all_cases("value", ["x", 3, [], True, {"torch": 2}, float("nan")])
@all_cases("name", ["versions", "threads", "corpus", "engine", "device"])
def test_record_refuses_an_environment_with_a_value_of_another_type(
    name: str, value: object, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path)
    if (name, value) in [("threads", 3), ("engine", "x"), ("device", "x")]:
        return  # of its type
    run.environment.write_text(json.dumps({"versions": {"torch": "2"}, name: value}))
    with pytest.raises(UserError) as caught:
        run.read_environment()
    assert str(caught.value).startswith(f"damaged environment: {run.environment}: ")
    assert name in str(caught.value) or value != value


def test_record_of_an_environment_keeps_what_it_does_not_know(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    content = {"versions": {"torch": "2"}, "device": "cpu", "of a later version": [1, "2"]}
    run.environment.write_text(json.dumps(content))
    assert run.read_environment() == content
    run.environment.unlink()
    assert run.read_environment() == {}


@pytest.mark.parametrize("line", ["rubbish", '{"step": "3"}', '{"step": 3, "loss": "x"}', "\x80"])
def test_metrics_that_are_damaged_say_what_to_do(line: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line.encode("latin-1") + b"\n")
    with pytest.raises(UserError) as caught:
        read_metrics(path)
    assert str(caught.value).startswith(f"damaged metrics: {path}, line 2: ")
    assert str(caught.value).endswith(" Delete the line that is wrong.")
