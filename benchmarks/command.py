"""What the benchmarks' command lines share."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from benchmarks import ROOT


class OneLineParser(argparse.ArgumentParser):
    """Answers bad arguments with one line and exit status 2."""

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2."""
        self.exit(2, f"{self.prog}: {message}\n")


@dataclass(frozen=True)
class SpeedFiles:
    """Where a benchmark of speed keeps its results, and the page of the docs made of them.

    Attributes:
        subject: name of the files, such as `masking`.
        page: makes the page in Markdown of the results on a CPU and, if there are any, on a GPU.
    """

    subject: str
    page: Callable[[Mapping[str, Any], Mapping[str, Any] | None], str]

    @property
    def page_path(self) -> Path:
        """The page of the docs."""
        return ROOT / "docs" / "benchmarks" / f"{self.subject}.md"

    def results_path(self, device: str = "cpu") -> Path:
        """Results of a full run on a device, `cpu` or `gpu`."""
        return ROOT / "benchmarks" / "results" / f"{self.subject}-{device}.json"

    def keep(self, result: Mapping[str, Any], device: str = "cpu") -> None:
        """Write the results of a full run."""
        path = self.results_path(device)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, result)
        print(f"results: {path}", file=sys.stderr)

    def finish(self, options: argparse.Namespace, result: Mapping[str, Any], rows: Any) -> None:
        """Write what the options of a benchmark ask for: its rows, its result, the page."""
        if options.json is not None:
            write_json(options.json, rows)
        if not options.quick:
            self.keep(result, "gpu" if getattr(options, "gpu", False) else "cpu")
        if options.table:
            self.write_page()

    def page_of_kept(self) -> str:
        """Make the page of the results that are kept."""
        paths = (self.results_path("cpu"), self.results_path("gpu"))
        kept = [json.loads(p.read_text(encoding="utf-8")) if p.is_file() else None for p in paths]
        return self.page(*kept)

    def write_page(self) -> None:
        """Write the page of the results that are kept."""
        self.page_path.parent.mkdir(parents=True, exist_ok=True)
        self.page_path.write_text(self.page_of_kept(), encoding="utf-8")
        print(f"page: {self.page_path}", file=sys.stderr)


def write_json(path: Path, content: Any) -> None:
    """Write something as indented JSON."""
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def speed_parser(files: SpeedFiles, description: str, *, quick_seconds: int) -> OneLineParser:
    """Make a parser with the options that all benchmarks of speed have."""
    page = files.page_path.relative_to(ROOT)
    parser = OneLineParser(prog=f"{files.subject}/speed.py", description=description)
    quick = f"ends within {quick_seconds} s; keeps no results"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument("--table", action="store_true", help=f"write {page}")
    parser.add_argument("--table-only", action="store_true", help="write it from kept results")
    return parser


def parse_speed(
    parser: OneLineParser, files: SpeedFiles, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """Parse the arguments of a benchmark of speed and check the options that all of them have."""
    options = parser.parse_args(arguments)
    gpu = getattr(options, "gpu", False)
    if options.json is not None and (options.json.is_dir() or not options.json.parent.is_dir()):
        parser.error(f"--json {options.json}: expected a file in a directory that exists")
    if options.table_only and (options.quick or gpu or options.json):
        parser.error("--table-only measures nothing: it goes with no other option")
    if options.table_only and not files.results_path().is_file():
        parser.error(f"--table-only: there are no results at {files.results_path()}")
    if options.table and options.quick:
        parser.error("--table is written from a full run: leave out --quick")
    if gpu:
        import torch

        if not torch.cuda.is_available():
            parser.error("--gpu: there is no CUDA device")
    return options
