"""How far a stage of work is, in one line of a given width.

A line holds the name of the stage, a bar, what is done, details such as the loss, and the time
left. Where it would not fit, the bar becomes short, then the words do, and then the least important
part is dropped. Columns of rich's own progress shrink all alike: at 40 columns they cut even the
time left, so rich draws this line as its only column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.text import Text

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST_BAR = 24
_SHORTEST_BAR = 4


class Part(NamedTuple):
    """A part of a line, `brief` where room is short; then the least important is left out."""

    importance: int
    text: str
    brief: str


@dataclass
class Stage:
    """A stage of work as this process has seen it; what an earlier process did takes no time.

    Attributes:
        name: what is being done.
        started: when this process first reported the stage, seconds of a monotonic clock.
        first: units that were done then.
        done: units that are done.
        total: units that there are, if that is known.
        details: what else its line shows.
    """

    name: str
    started: float
    first: int
    done: int = 0
    total: int | None = None
    details: Sequence[Part] = ()

    @property
    def is_finished(self) -> bool:
        """Whether all units are done."""
        return self.total is not None and self.done >= self.total

    def per_second(self, now: float) -> float | None:
        """Units per second since the process began with them; `None` before two reports."""
        seconds = now - self.started
        done = self.done - self.first
        return done / seconds if done > 0 and seconds > 0 else None

    def time_part(self, now: float) -> Part | None:
        """Time left; after the end, the time that it took; `None` while it is not known."""
        if self.is_finished:
            took = duration(now - self.started)
            return Part(8, f"in {took}", took)
        speed = self.per_second(now)
        if speed is None or self.total is None:
            return None
        left = duration((self.total - self.done) / speed)
        return Part(8, f"{left} left", left)


def printable(text: str) -> str:
    r"""Text with escapes for what a terminal would obey, or no encoding has.

    Those are control characters other than tab and line feed, and lone surrogates.

    Example:
        >>> printable("caf\udce9 \x1b[31mred")
        'caf\\udce9 \\x1b[31mred'
    """
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def log_line(stage: Stage, now: float) -> str:
    """A line for a file: `training: 400 of 2000  loss 4.87  ratio 0.150  ...  0:01:23 left`."""
    total = f" of {stage.total}" if stage.total else ""
    head = f"{printable(stage.name)}: {stage.done}{total}"
    return "  ".join([head, *(part.text for part in _parts(stage, now, has_rate=False))])


def bar_line(stage: Stage, now: float, *, width: int, name_width: int = 0) -> Text:
    """A line for a terminal, at most `width` columns wide, with a bar where there is room."""
    count = f"{stage.done}/{stage.total}" if stage.total else f"{stage.done}"
    parts = [Part(9, count, count), *_parts(stage, now, has_rate=True)]
    name = printable(stage.name).ljust(name_width)
    texts = [part.text for part in parts]
    if _width(name, texts) + _SHORTEST_BAR + 1 > width:
        texts = [part.brief for part in parts]
    if _width(name, texts) > width:
        name = printable(stage.name)
    while len(parts) > 1 and _width(name, texts) > width:
        least = parts.index(min(parts))
        del parts[least], texts[least]
    room = width - _width(name, texts) - 1
    line = Text(name, no_wrap=True, overflow="ellipsis", end="")
    if stage.total and room >= _SHORTEST_BAR:
        line.append(" ").append_text(_bar(stage, min(room, _LONGEST_BAR)))
    line.append(" " + "  ".join(texts))
    line.truncate(width, overflow="ellipsis")
    return line


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as `1:02:03`; days before them where there are any."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    clock = f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{days} d {clock}" if days else clock


def short(value: float) -> str:
    """A number in a few characters: `12.3k`, `1.2M`."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.1f}{unit}"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _parts(stage: Stage, now: float, *, has_rate: bool) -> list[Part]:
    """What stands after the count."""
    parts = list(stage.details)
    speed = stage.per_second(now)
    if has_rate and not parts and speed is not None:
        parts.append(Part(3, f"{short(speed)}/s", f"{short(speed)}/s"))
    time_part = stage.time_part(now)
    return [*parts, time_part] if time_part else parts


def _width(name: str, texts: Sequence[str]) -> int:
    return len(name) + 1 + len("  ".join(texts))


def _bar(stage: Stage, width: int) -> Text:
    filled = min(width, width * stage.done // max(1, stage.total or 1))
    style = "bar.finished" if stage.is_finished else "bar.complete"
    return Text("━" * filled, style=style).append("━" * (width - filled), style="bar.back")
