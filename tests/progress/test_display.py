"""What a command shows in a real terminal of a given width, and in a file."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

PROGRAM = """
import time
from tidemask.cli.terminal import progress_display
from tidemask.runs.displayed_metrics import display_records

with progress_display() as display:
    on_record = display_records(display)
    display.on_progress("preparing text", 3, 3)
    for step in range(1, 41):
        if step % 5 == 0:
            on_record({
                "step": step, "loss": 10.5 - step / 10, "masking/ratio": 0.15,
                "masking/realised_ratio": 0.12, "masking/shortfall": 0.2,
                "tokens_per_second": 123456.0, "held_out/loss": 9.87,
            })
        display.on_progress("training", step, 40)
        if step == 20:
            display.on_note("A note.")
        time.sleep(0.02)
    for batch in (1, 2):
        display.on_progress("held-out loss", batch, 2)
"""


def _on_terminal(columns: int) -> list[str]:
    """Every line that was ever drawn in a terminal of so many columns, without control codes."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns)}
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=inner, env=environment)
    os.close(inner)
    drawn = b""
    while True:
        try:
            piece = os.read(outer, 65536)
        except OSError:
            break
        if not piece:
            break
        drawn += piece
    os.close(outer)
    assert process.wait() == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())
    return [line.rstrip() for line in re.split(r"[\r\n]+", plain) if line.strip()]


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 120])
def test_terminal_progress_is_one_line_per_stage(columns: int) -> None:
    lines = _on_terminal(columns)
    assert max(map(len, lines)) < columns
    stages = ("preparing text", "training", "held-out loss")
    assert all(line.startswith(stages) or line == "A note." for line in lines), lines
    assert lines.count("A note.") == 1
    shown = next(line for line in lines if re.search(r" ([5-9]|[123]\d)/40", line))
    for part in ("loss", "held", "ratio 0.150 (0.120", "123.5k", "0:00:0"):
        assert part in shown
    for line, stage in zip(lines[-3:], stages, strict=True):
        assert line.startswith(stage)


@pytest.mark.slow
def test_terminal_a_file_gets_plain_lines() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    lines = done.stderr.splitlines()
    assert lines[0] == "preparing text: 3 of 3  in 0:00:00"
    assert lines[1] == "A note."
    assert re.fullmatch(
        r"training: 40 of 40  loss 6\.50  held-out 9\.87  ratio 0\.150 \(0\.120 realised\)  "
        r"123\.5k tok/s  in 0:00:0\d",
        lines[2],
    )
    assert lines[3:] == ["held-out loss: 2 of 2  in 0:00:00"]
    assert "\x1b" not in done.stderr
