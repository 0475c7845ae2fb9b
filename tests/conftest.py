"""A small corpus of our own text, prepared once per test process."""

from __future__ import annotations

import gc
import hashlib
import os
import signal
import sys
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jaxtyping
import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:  # the process that only hands out the tests imports nothing heavy
    from synthetic_runs import MakeRun
    from tidemask.report.compare import Comparison

# Read where the libraries are imported, which is below. Many small tensor operations beside other
# test processes: more threads only wait for each other.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A hundred processes are started, each of which would compile our modules for itself.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def _fsync(descriptor: int) -> None:
    """A wait for the disk that does not wait: a tiny training has twenty, of milliseconds each."""
    os.fstat(descriptor)


os.fsync = _fsync

# How long an example takes says how busy the machine is.
settings.register_profile("whole", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("whole"), max_examples=25)
settings.load_profile("whole")

# A shell that starts the tests in the background lets them, and what they start, ignore Ctrl-C, and
# `nohup` the end of the terminal. Programs that are run do not inherit that a signal is caught.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

# Shapes and dtypes in signatures are checked at run time, under the tests alone.
jaxtyping.install_import_hook(
    [f"tidemask.{name}" for name in ("masking", "modeling", "training.masked_step")],
    "beartype.beartype",
)


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer random examples where the slow tests are left out."""
    if config.option.markexpr == "not slow":
        settings.load_profile("quick")


def pytest_collection_finish() -> None:
    _keep_what_is_there()


_num_ended = 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Check no types in slow tests, which draw millions of masks: the quick ones call the same.

    What is set up for one is not checked either; a fixture of a module that a quick test asks for
    first is.
    """
    with pytest.MonkeyPatch.context() as patch:
        if item.get_closest_marker("slow"):
            _uncheck_types(patch)
        return (yield)


def pytest_runtest_logfinish() -> None:
    """Keep what tests imported and cached, too."""
    global _num_ended
    _num_ended += 1
    if _num_ended % _BETWEEN == 0:
        _keep_what_is_there()


_BETWEEN = 200
"""Tests between two times."""


def _keep_what_is_there() -> None:
    """Leave what is in memory now out of each later search for garbage.

    Every training ends with one, which took a quarter of the time of a tiny training.
    """
    gc.collect()
    gc.freeze()


def _prepared(root: Path, tagger: str) -> Path:
    """The corpus of forty documents; a fifth of their hashes is held out."""
    from prose import text
    from tidemask.corpus.prepare import prepare

    files = {is_held_out: root / f"{is_held_out}.txt" for is_held_out in (False, True)}
    for is_held_out, path in files.items():
        documents = [d for d in text(40).strip().split("\n\n") if _by_hash(d) == is_held_out]
        path.write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    prepare(
        files[False],
        out=root / "corpus",
        vocab_size=200,
        lowercase=True,
        sequence_length=32,
        held_out_text=files[True],
        documents="blank-lines",
        tagger=tagger,
        words="tokenizer",
        workers=1,
        progress=False,
    )
    return root / "corpus"


def _by_hash(document: str) -> bool:
    digest = hashlib.sha256(document.encode()).digest()
    return int.from_bytes(digest[:8], "big") < 0.2 * 2**64


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared corpus with part-of-speech classes."""
    return _prepared(tmp_path_factory.mktemp("tagged"), "textblob")


@pytest.fixture(scope="session")
def plain_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared corpus without classes."""
    return _prepared(tmp_path_factory.mktemp("plain"), "none")


@pytest.fixture
def tidemask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; returns exit status, stdout and stderr."""

    from tidemask.cli import app as cli

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["tidemask", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


def _uncheck_types(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def types_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let shapes and dtypes of signatures go unchecked, as they do at a user's."""
    _uncheck_types(monkeypatch)


@pytest.fixture
def bare_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pages of comparisons have no drawings."""
    from bare_pages import without_drawings

    without_drawings(monkeypatch.setattr)


@pytest.fixture
def quick_studies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let worker processes of studies be forked, and their pages be without drawings."""
    import study_command

    study_command.quick_studies(monkeypatch.setattr)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the runs of studies be trained in this process, and their pages be without drawings."""
    import engine_in_process

    engine_in_process.studies_in_process(monkeypatch.setattr)


@pytest.fixture(scope="session")
def four_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The runs of the demo; read only."""
    from synthetic_runs import write_four

    return write_four(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def comparison(four_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """The comparison of the four; read only."""
    from synthetic_runs import write_comparison

    return write_comparison(four_runs, out=tmp_path_factory.mktemp("comparison") / "out")


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Makes a short run directory by name, with the given differences from a plain one."""
    from synthetic_runs import FOUR, SyntheticRun, write_run

    def make(name: str, **differences: Any) -> Path:
        short: SyntheticRun = replace(FOUR[0], max_steps=100, last_step=100, held_out_every=2)
        return write_run(tmp_path / name, replace(short, **differences))

    return make
