"""Files are read by readers that refuse a pipe, a giant file and what is not UTF-8, but for a few.

A direct `read_text` waits for ever for a pipe and ends in a traceback for text of another encoding;
what is mapped into memory ends the process when the file is cut.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from places import ROOT

SOURCE = ROOT / "src" / "tidemask"

READERS = {
    "reading/compression.py": "after it was asked whether it is a file; decoded elsewhere",
    "reading/text.py": "the reader of all others",
    "reading/typed_json.py": "the reader of JSON",
}
WITH_THE_PACKAGE = {
    "__main__.py": "the null device, in the place of a stream that the shell closed",
    "corpus/demo_text/documents.py": "sources of this Python",
    "corpus/tagging/textblob_tagger.py": "the lexicon of an installed package",
    "report/inlined.py": "script and style that are installed",
    "runs/config.py": "shipped recipes",
}
OF_OURS_IN_MEMORY = {
    "corpus/tokenizing/extension.py": "what tokenizers has serialised",
    "corpus/tokenizing/frame.py": "what tokenizers has serialised",
    "corpus/tokenizing/new_entries.py": "what tokenizers has serialised",
    "corpus/tokenizing/ordinary_text.py": "what tokenizers has serialised",
    "report/figures/marking.py": "what the page itself has written",
}
TEMPORARY = {
    "corpus/sources/standard_input.py": "a file that this process made",
    "corpus/splitting/minhash.py": "a file that this process made, in a directory of its own",
    "studies/short_runs.py": "the log of a process that has ended, in a directory of its own",
    "training/checkpoint_files.py": "a copy that this process made of a checkpoint it has checked",
}
ASKED_BEFORE = {
    "annotation/python_source.py": "asks whether it is a file; any bytes do",
    "annotation/reference_model.py": "files of a model that was loaded",
    "cli/demo.py": "asks whether it is a file; any bytes do",
    "corpus/going_on.py": "asks whether it is a file; without pickles",
    "corpus/sources/record_lines.py": "one line, whose damage is an answer",
    "corpus/sources/records.py": "after `check_plain_file`; read by Arrow, and not mapped",
    "corpus/sources/text_sources.py": "after `check_plain_file`; hashed",
    "corpus/store/record_batches.py": "after `check_plain_file`; mapped is memory, and no file",
    "corpus/store/open_files.py": "shards that were described, by descriptor",
    "files/arrays.py": "asks whether it is a file; by its digest, without pickles",
    "files/atomic.py": "locks and directories, by descriptor",
    "files/claims.py": "claims, by descriptor",
    "files/continued.py": "locks, by descriptor",
    "files/locks.py": "locks, by descriptor",
    "files/paths.py": "asks whether it may be read",
    "pretrained.py": "after `check_plain_files`; what fails is transformers' to say",
    "runs/machine.py": "what the system says of its processor",
    "run_record/layout.py": "asks whether it is a file; the heading of safetensors alone",
    "run_record/metrics.py": "after `check_plain_file`; the last lines of a long file",
    "studies/attempts.py": "after it was read; locked by descriptor",
    "studies/comparison.py": "asks whether it is a file",
    "studies/heartbeat.py": "after it was read; locked by descriptor",
    "tasks/data.py": "files that were read; hashed",
    "tasks/model_under_test.py": "files of a model that was loaded; hashed",
    "tasks/squad/data.py": "asks whether it is a file; hashed",
    "tasks/zero_shot/pair_files.py": "files that were read; hashed",
    "training/checkpoint_checks.py": "files that are sealed; nothing of what is mapped is read",
    "training/metrics_file.py": "asks whether it is a file; lines as bytes",
    "training/run_lock.py": "a lock, by descriptor",
    "training/sharding_trainer.py": "states that `checkpoint_checks.py` has accepted, no pickles",
}

ALLOWED = READERS | WITH_THE_PACKAGE | OF_OURS_IN_MEMORY | TEMPORARY | ASKED_BEFORE
"""Modules that read directly, and why they may."""

_METHODS = {"read_text", "read_bytes", "memory_map", "memmap", "OSFile", "ParquetFile"}
_OF_MODULES = {("json", "load"), ("json", "loads"), ("np", "load"), ("torch", "load")}
_OPENED_BY_US = {"DocumentTable", "PieceTable", "ColumnFile", "Shard", "self.file"}
"""Classes of ours, and an object, whose `open` is not that of a file."""


def _reads(call: ast.Call) -> bool:
    """Whether a call reads a file or parses JSON without the readers of `tidemask.reading`."""
    if any(keyword.arg == "mmap" for keyword in call.keywords):
        return True
    function = call.func
    if isinstance(function, ast.Name):
        return function.id in ("open", "safe_open") and not _is_for_writing(call)
    if not isinstance(function, ast.Attribute):
        return False
    owner = function.value.id if isinstance(function.value, ast.Name) else ""
    if (owner, function.attr) in _OF_MODULES:
        return not _is_our_own(call.args[0])
    if function.attr == "open":
        return ast.unparse(function.value) not in _OPENED_BY_US and not _is_for_writing(call)
    return function.attr in _METHODS


def _is_our_own(text: ast.expr) -> bool:
    """Whether what is parsed is `json.dumps(...)`: a value made plain."""
    return isinstance(text, ast.Call) and ast.unparse(text.func) == "json.dumps"


def _is_for_writing(call: ast.Call) -> bool:
    modes = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    return any(
        isinstance(mode, str) and set(mode) <= set("rwaxbt+") and set(mode) & set("wax")
        for mode in modes
    )


def _direct(source: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(source.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _reads(node):
                yield path.relative_to(source).as_posix(), node.lineno


def test_direct_reading_is_in_named_modules_alone() -> None:
    """Use `read_text`, `read_bytes`, `read_json` or `read_yaml` of `tidemask.reading` elsewhere."""
    found = list(_direct(SOURCE))
    assert [place for place in found if place[0] not in ALLOWED] == []
    assert sorted(ALLOWED.keys() - {name for name, _ in found}) == []


def test_direct_reading_is_found_in_each_form(tmp_path: Path) -> None:
    forms = (
        "path.read_text()", "path.read_bytes()", "json.loads(text)", "json.load(file)",
        "open(path)", "path.open()", "path.open('rb')", "os.open(path, os.O_RDONLY)",
        "open('data.txt')", "pa.memory_map(path)", "torch.load(path, mmap=True)", "np.load(path)",
        "np.memmap(path)",
    )  # fmt: skip
    others = ("path.open('wb')", "open(path, 'a')", "json.loads(json.dumps(a))", "read_text(path)")
    (tmp_path / "all.py").write_text("\n".join([*forms, *others]))
    assert [line for _, line in _direct(tmp_path)] == list(range(1, len(forms) + 1))
