"""The lines of `metrics.jsonl`: how they are written, read and cut."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidemask.errors import UserError, command_line, one_line
from tidemask.files.atomic import append_whole, sync, write_atomically
from tidemask.files.paths import check_plain_file
from tidemask.reading import ANY_LENGTH, parse_json, read_bytes, shown_json
from tidemask.run_record.names import PREDICTED_TOKENS, TOKENS_SEEN, WALL_SECONDS
from tidemask.system_errors import refusal

MetricValue = int | float | None
"""A scalar in a line of `metrics.jsonl`."""


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a `metrics.jsonl`, in order; a last line without its end is left out.

    A process that is killed may leave a torn last line. Any other line that is not an object of
    numbers with a step means that the file is damaged.

    Raises:
        UserError: the file is missing, or a line before the last is damaged.
    """
    if not path.is_file():
        raise UserError(f"no metrics: {path} does not exist. Has the run logged a step yet?")
    *lines, _torn = read_bytes(path, ANY_LENGTH, "unreadable metrics").split(b"\n")
    records: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        record = _record(line, f"metrics: {path}, line {number}")
        if records and record["step"] <= records[-1]["step"]:
            raise UserError(
                f"damaged metrics: {path}, line {number}: step={record['step']} after step "
                f"{records[-1]['step']}. Expected a later one. {_WRONG_LINE}"
            )
        records.append(record)
    return records


def last_step(path: Path) -> int:
    """The step of the last whole line of a `metrics.jsonl`, read from its end; 0 if it has none.

    Raises:
        UserError: that line is damaged.
    """
    check_plain_file(path)
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _MAX_LINE_BYTES))
        *lines, _torn = file.read().split(b"\n")
    return int(_record(lines[-1], f"metrics: {path}, last line")["step"]) if lines else 0


_MAX_LINE_BYTES = 1 << 20
_WRONG_LINE = "Delete the line that is wrong."
_MAX_INTEGER = 1 << 63
_ALWAYS_NUMBERS = ("progress", TOKENS_SEEN, PREDICTED_TOKENS, WALL_SECONDS)
"""What is a number wherever it is there, beside the step, which every line has."""


def _record(line: bytes, where: str) -> dict[str, Any]:
    """One line of metrics: a step, and under other names numbers or null."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"damaged {where}: {one_line(error)}. {_WRONG_LINE}") from error
    record = parse_json(text, dict[str, MetricValue], where, advice=_WRONG_LINE)
    if "step" not in record:
        raise UserError(f"damaged {where}: step is missing. {_WRONG_LINE}")
    for name, value in record.items():
        expected = ""
        if name == "step" and (not isinstance(value, int) or value < 0):
            expected = "an integer of at least 0"
        elif value is None and name in _ALWAYS_NUMBERS:
            expected = "a number"
        elif isinstance(value, int) and abs(value) >= _MAX_INTEGER:
            expected = "a number below 2**63"
        if expected:
            raise UserError(
                f"damaged {where}: {name}={shown_json(value)}. Expected {expected}. {_WRONG_LINE}"
            )
    return record


def finite_or_null(record: Mapping[str, MetricValue]) -> dict[str, MetricValue]:
    """The same, with `None` where a number is not finite: JSON has no word for it."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in record.items()
    }


def append_metrics(path: Path, record: Mapping[str, MetricValue]) -> bytes:
    """Add one logged step to `metrics.jsonl`; numbers keep every bit. Returns the line.

    A value that is not finite is written as null.

    Raises:
        UserError: the line could not be written; the file is as it was.
    """
    line = f"{json.dumps(finite_or_null(record))}\n".encode()
    try:
        append_whole(path, line)
    except OSError as error:
        if (refused := refusal(error, path)) is None:
            raise
        raise UserError(
            f"metrics not written: {refused}, then continue with "
            f"`{command_line('resume', path.parent)}`."
        ) from error
    return line


def force_metrics(path: Path) -> None:
    """Force the lines written so far to the disk, before a checkpoint that counts on them."""
    if path.is_file():
        sync(path)


def cut_metrics(path: Path, last_step: int) -> None:
    """Drop the lines of `metrics.jsonl` after `last_step`, and a torn last line.

    The file is replaced in one move, so that a kill at any moment leaves the old or the new one.
    """
    if not path.is_file():
        return
    kept = [record for record in read_metrics(path) if record["step"] <= last_step]
    lines = "".join(json.dumps(record) + "\n" for record in kept)
    write_atomically(
        path, lines, what="metrics", then=f"continue with `{command_line('resume', path.parent)}`"
    )
