"""What the line of a training in progress shows of its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tidemask.progress.line import Part, short
from tidemask.run_record import MEAN_LOSS, RATIO, REALISED_RATIO, SHORTFALL, TOKENS_PER_SECOND

if TYPE_CHECKING:
    from tidemask.progress.display import ProgressDisplay
    from tidemask.runs.callbacks import RecordCallback


def display_records(display: ProgressDisplay, stage: str = "training") -> RecordCallback:
    """A callback that shows each line of metrics; a value stays until there is a newer one."""
    latest: dict[str, object] = {}

    def on_record(record: Mapping[str, object]) -> None:
        if RATIO in record and SHORTFALL not in record:
            latest.pop(SHORTFALL, None)
        latest.update(record)
        display.on_detail(stage, metrics_parts(latest))

    return on_record


def metrics_parts(record: Mapping[str, object]) -> list[Part]:
    """Loss, mean held-out loss, ratio and speed of a line of metrics, as far as it has them."""
    parts = []
    if (loss := _number(record.get("loss"), 2)) is not None:
        parts.append(Part(7, f"loss {loss}", f"loss {loss}"))
    if (held_out := _number(record.get(MEAN_LOSS), 2)) is not None:
        parts.append(Part(5, f"held-out {held_out}", f"held {held_out}"))
    if (ratio := _number(record.get(RATIO), 3)) is not None:
        realised = _number(record.get(REALISED_RATIO), 3) if SHORTFALL in record else None
        text = f"ratio {ratio}" + (f" ({realised} realised)" if realised else "")
        parts.append(Part(4, text, f"ratio {ratio}" + (f" ({realised})" if realised else "")))
    speed = record.get(TOKENS_PER_SECOND)
    if isinstance(speed, int | float):
        parts.append(Part(6, f"{short(float(speed))} tok/s", f"{short(float(speed))}/s"))
    return parts


def _number(value: object, digits: int) -> str | None:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else None
