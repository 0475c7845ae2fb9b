"""`metrics.jsonl` while a run writes it: its lines are kept, and written again if they are lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from tidemask.errors import command_line
from tidemask.files.atomic import write_atomically
from tidemask.files.notes import FileNote
from tidemask.progress import NoteCallback
from tidemask.run_record import MetricValue, append_metrics


class MetricsFile:
    """The lines of a run, in a file that others may touch.

    Args:
        path: of the file; it may be absent.
        on_note: called with a sentence where the file was not as this run left it.
        check_run: called before the file is written again; it raises an error where the run
            itself was moved or taken over.
    """

    def __init__(self, path: Path, on_note: NoteCallback, check_run: Callable[[], None]) -> None:
        self.path = path
        self._on_note = on_note
        self._check_run = check_run
        self._lines: list[bytes] = []
        self._digest = hashlib.sha256()
        self._note: FileNote | None = None

    @property
    def num_lines(self) -> int:
        """Lines of the run so far."""
        return len(self._lines)

    @property
    def sha256(self) -> str:
        """Digest of the lines of the run so far, hexadecimal."""
        return self._digest.hexdigest()

    def open(self) -> None:
        """Take the lines that are there as those of the run: it begins, or goes on."""
        content = self.path.read_bytes() if self.path.is_file() else b""
        self._lines = content.splitlines(keepends=True)
        self._digest = hashlib.sha256(content)
        self._note = self._noted()

    def append(self, record: Mapping[str, MetricValue]) -> None:
        """Add a line; before that, write those again that were lost.

        Raises:
            UserError: it could not be written.
        """
        self.restore()
        line = append_metrics(self.path, record)
        self._lines.append(line)
        self._digest.update(line)
        self._note = self._noted()

    def restore(self) -> None:
        """Write the file again if it does not hold the lines of this run.

        What stands in its place is kept beside it, unless it is a part of the lines.
        """
        if self._noted() == self._note:
            return
        self._check_run()
        ours = b"".join(self._lines)
        found = self.path.read_bytes() if self.path.is_file() else None
        if found is None and ours:
            self._write(ours, "deleted")
        elif found is not None and found != ours:
            kept = ""
            if not ours.startswith(found):
                aside = self.path.with_name(f".changed-{self.path.name}")
                self.path.replace(aside)
                kept = f" What was there instead is in {aside}."
            self._write(ours, "changed", kept)
        self._note = self._noted()

    def _write(self, lines: bytes, what: str, kept: str = "") -> None:
        go_on = f"continue with `{command_line('resume', self.path.parent)}`"
        write_atomically(self.path, lines, what="metrics", then=go_on)
        self._on_note(
            f"{self.path} was {what} while the run went on; the {len(self._lines):,} lines of the "
            f"run so far were written again.{kept}"
        )

    def _noted(self) -> FileNote | None:
        try:
            return FileNote.of(self.path)
        except OSError:
            return None
