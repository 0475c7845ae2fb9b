"""What reading text and deciding about documents takes: processor time and memory.

    python benchmarks/preparing/reading.py --text books-10M.txt.xz    forms of one text
    python benchmarks/preparing/reading.py --documents 1000000        short texts, decided about

Each row is a process of its own. Time is that of the processor, memory the most that the process
had, with Python and its libraries. The text has blank lines between documents. The time of short
texts includes that of making them up.
"""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import ROOT
from benchmarks.command import OneLineParser

_WORDS = 20
"""Words of a short text."""


def megabytes() -> float:
    """The most memory that this process had; `ru_maxrss` would be that of who started it, too."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    (line,) = (one for one in status.read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def read_file(path: str) -> dict[str, float]:
    """Read all documents of a file once."""
    from tidemask.corpus.sources.settings import TextSettings
    from tidemask.corpus.sources.text_sources import TextSources

    is_text = ".txt" in path
    settings = TextSettings(documents="blank-lines" if is_text else "auto")
    begun = time.process_time()
    with TextSources.find([path], settings) as sources:
        num_documents = sum(1 for _ in sources())
    seconds = time.process_time() - begun
    return {"seconds": seconds, "megabytes": megabytes(), "documents": num_documents}


def decide(deduplicate: str, num_documents: int) -> dict[str, float]:
    """Decide about generated short texts, none of which is a copy of another on purpose."""
    from tidemask.corpus.sources.documents import Document
    from tidemask.corpus.splitting.survey import Survey, surveyed

    rng = random.Random(0)
    words = [f"w{number:x}" for number in range(20_000)]

    def documents() -> Iterator[Document]:
        for _ in range(num_documents):
            yield Document(" ".join(rng.choices(words, k=_WORDS)), "generated")

    with tempfile.TemporaryDirectory() as directory:
        kind: Any = deduplicate
        survey = Survey(
            Path(directory), held_out=0.05, deduplicate=kind, threshold=0.7, unit="word"
        )
        before, begun = megabytes(), time.process_time()
        surveyed(documents(), survey)
        seconds = time.process_time() - begun
    return {
        "seconds": seconds,
        "bytes_a_document": 1e6 * (megabytes() - before) / num_documents,
        "microseconds_a_document": 1e6 * seconds / num_documents,
    }


def write_forms(text: Path, directory: Path) -> list[Path]:
    """Write a text in all forms that are measured."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = text.read_bytes()
    plain = (lzma.decompress(content) if text.suffix == ".xz" else content).decode()
    texts = [one for one in plain.split("\n\n") if one.strip()]
    lines = "".join(json.dumps({"text": one}, ensure_ascii=False) + "\n" for one in texts)
    writers: dict[str, Callable[[Path], object]] = {
        "text.txt": lambda path: path.write_text(plain, encoding="utf-8"),
        "text.txt.xz": lambda path: path.write_bytes(lzma.compress(plain.encode())),
        "text.jsonl": lambda path: path.write_text(lines, encoding="utf-8"),
        "text.jsonl.gz": lambda path: path.write_bytes(gzip.compress(lines.encode())),
        "text.csv": lambda path: _write_table(path, texts),
        "text.parquet": lambda path: pq.write_table(pa.table({"text": texts}), path),
    }
    for name, write in writers.items():
        write(directory / name)
    return [directory / name for name in writers]


def _write_table(path: Path, texts: Sequence[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        writer.writerows([one] for one in texts)


def _in_a_process(*arguments: str) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Run the command."""
    parser = OneLineParser(prog="reading.py", description="Time and memory of reading text.")
    parser.add_argument("--text", type=Path, help="plain or .xz, blank lines between documents")
    parser.add_argument("--documents", type=int, help="short texts to decide about")
    parser.add_argument("--one", help="a file to read in this process")
    parser.add_argument("--deciding", choices=("exact", "near"), help="decide in this process")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(read_file(options.one)))
    elif options.deciding:
        print(json.dumps(decide(options.deciding, options.documents)))
    elif options.text and options.text.is_file():
        with tempfile.TemporaryDirectory() as directory:
            for path in write_forms(options.text, Path(directory)):
                row = _in_a_process("--one", str(path))
                print(
                    f"{path.name:16} {row['seconds']:5.1f} s {row['megabytes']:6.0f} MB "
                    f"{row['documents']:9,.0f} documents"
                )
    elif options.documents and options.documents > 0:
        for kind in ("exact", "near"):
            row = _in_a_process("--deciding", kind, "--documents", str(options.documents))
            print(
                f"{kind:6} {row['bytes_a_document']:6.0f} bytes and "
                f"{row['microseconds_a_document']:6.1f} microseconds a document"
            )
    else:
        parser.error("--text FILE or --documents N: expected a file that exists, or a number")


if __name__ == "__main__":
    main()
