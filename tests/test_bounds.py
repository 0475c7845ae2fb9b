"""Numbers that no machine can serve and files without an end are refused at once, in one line."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import pkgutil
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import tidemask as package
from cases import all_cases
from child_processes import HUNG_SECONDS
from scored_material import model_for, wordpiece
from small_runs import TINY, trained
from tidemask.corpus.tokenizing.loading import _check_files, load_tokenizer
from tidemask.errors import UserError
from tidemask.pretrained import from_pretrained
from tidemask.settings import Settings
from tidemask.studies.definition import Arm
from tidemask.tasks.model_under_test import ModelUnderTest

Command = Callable[..., tuple[int, str, str]]


def _kinds() -> Iterator[type[Any]]:
    """Every class of settings that has a default for each field."""
    for module in pkgutil.walk_packages(package.__path__, "tidemask."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting: list[type[Any]] = [Settings]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if dataclasses.is_dataclass(kind):
            yield kind


_REQUIRED: dict[str, Any] = {
    **dict.fromkeys(("name", "data", "run", "corpus", "text"), "x"),
    "arms": {"x": Arm(recipe="bert"), "y": Arm(recipe="mrd-linear")},
    "baseline": "x",
    "statistic": "loss",
    "seeds": (0,),
}
"""What settings without a default are here."""


def _integer_fields() -> list[tuple[type[Any], str]]:
    return sorted(
        (
            (kind, field.name)
            for kind in _kinds()
            for field in dataclasses.fields(kind)
            if get_type_hints(kind)[field.name] is int
            or int in getattr(get_type_hints(kind)[field.name], "__args__", ())
        ),
        key=lambda pair: (pair[0].__qualname__, pair[1]),
    )


@all_cases("value", [1 << 53, 10**30, -(10**30)])
@all_cases(
    ("kind", "name"), [pytest.param(*p, id=f"{p[0].__name__}.{p[1]}") for p in _integer_fields()]
)
def test_bounds_of_every_integer_setting(kind: type[Any], name: str, value: int) -> None:
    missing = dataclasses.MISSING
    given = {
        field.name: _REQUIRED[field.name]
        for field in dataclasses.fields(kind)
        if field.default is missing is field.default_factory and field.name != name
    }
    with pytest.raises(ValueError, match=f"{name}=.*Expected"):
        kind(**given, **{name: value})


@pytest.mark.slow
@all_cases(
    "arguments",
    [
        "pretrain CORPUS --out out training.loader_workers=1000000",
        "pretrain CORPUS --out out training.loader_workers=65",
        "pretrain CORPUS --out out training.gradient_accumulation_steps=1000000000",
        "pretrain CORPUS --out out training.micro_batch_size=1000000000",
        "pretrain CORPUS --out out training.max_steps=4000000000",
        "pretrain CORPUS --out out training.seed=99999999999999999999",
        "pretrain CORPUS --out out evaluation.draws=1000000000",
        "pretrain CORPUS --out out evaluation.final_draws=1000000000",
        "pretrain CORPUS --out out evaluation.batch_size=1000000000",
        "prepare text.txt --out out --vocab-size 1000000000",
        "prepare text.txt --out out --vocab-size 99999999999999999999999",
        "prepare text.txt --out out --workers 1000000",
        "prepare text.txt --out out --sequence-length 1000000000",
        "evaluate model --jobs 1000000 --data CORPUS",
        "evaluate model --data CORPUS fine_tuning.num_seeds=1000000000",
        "evaluate model --data CORPUS fine_tuning.epochs=1e300",
        "evaluate model --data CORPUS fine_tuning.batch_size=1000000000",
        "evaluate model --data CORPUS squad.num_best=1000000000",
        "preview CORPUS masking.spans.longest=1000000000",
        "preview CORPUS --sequence 99999999999999999999999",
        "fill model [MASK] --top 99999999999999999999999",
        "demo --out out --steps 99999999999999999999999",
    ],
)
def test_bounds_of_numbers_on_the_command_line(
    tidemask: Command,
    plain_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("A fox saw the grapes.\n\nA dog slept.\n", encoding="utf-8")
    if " model " in arguments:
        model_for(wordpiece()).save_pretrained("model")
        wordpiece().save_pretrained("model")
    status, out, err = tidemask(*arguments.replace("CORPUS", str(plain_corpus)).split())
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    assert not Path("out").exists()


def test_bounds_of_a_vocabulary_and_of_layers(tmp_path: Path) -> None:
    model_for(wordpiece()).save_pretrained(tmp_path)
    wordpiece().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 10**9}))
    from transformers import AutoConfig

    with pytest.raises(UserError, match="num_hidden_layers=1000000000"):
        from_pretrained(AutoConfig, tmp_path)
    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["zebra"] = 4_000_000_000
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(UserError, match="id 4000000000"):
        load_tokenizer(str(tmp_path))


# ---- files without an end ----


@pytest.fixture(scope="module")
def places(plain_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with all that commands read; read only."""
    root = tmp_path_factory.mktemp("places")
    shutil.copytree(plain_corpus, root / "corpus")
    run = trained(root / "corpus", root / "run", "bert", *TINY)
    shutil.rmtree(run.model)  # as if it had been interrupted
    (root / "text.txt").write_text("A fox saw the grapes.\n\nA dog slept.\n", encoding="utf-8")
    model_for(wordpiece()).save_pretrained(root / "model")
    wordpiece().save_pretrained(root / "model")
    (root / "recipe.yaml").write_text("summary: mine\n", encoding="utf-8")
    (root / "task.yaml").write_text("name: mine\ndata: ./data\nfields: [text]\n", encoding="utf-8")
    tasks = root / "tasks"
    for name in ("cola", "squad", "conll2003", "pairs"):
        (tasks / name).mkdir(parents=True)
    (root / "sources.yaml").write_text("sources: [{name: a, text: text.txt}]")
    (tasks / "cola" / "train.jsonl").write_text('{"sentence": "a", "label": 0}\n')
    (tasks / "squad" / "train-v1.1.json").write_text('{"data": []}')
    (tasks / "conll2003" / "train.conll").write_text("a O\n")
    (tasks / "pairs" / "pairs.tsv").write_text("a b\tb a\n")
    return root


_READ = [
    ("text.txt", "prepare text.txt --out out"),
    ("model/tokenizer.json", "prepare text.txt --out out --tokenizer model"),
    ("model/tokenizer_config.json", "prepare text.txt --out out --tokenizer model"),
    ("model/config.json", "score model text"),
    ("model/model.safetensors", "score model text"),
    ("model/model.safetensors", "pretrain corpus --out out model.warm_start=model"),
    ("model/config.json", "pretrain corpus --out out model.config=model"),
    ("model/config.json", "pretrain corpus --out out model.config=model/config.json"),
    ("text.txt", "score model --file text.txt"),
    ("recipe.yaml", "pretrain corpus --out out --recipe recipe.yaml"),
    ("recipe.yaml", "recipes recipe.yaml"),
    ("corpus/manifest.json", "preview corpus"),
    ("corpus/tokenizer/tokenizer.json", "preview corpus"),
    ("corpus/tokenizer/tokenizer_config.json", "pretrain corpus --out out"),
    ("corpus/train/rows-*.arrow", "pretrain corpus --out out"),
    ("run/run.yaml", "resume run"),
    ("run/metrics.jsonl", "resume run"),
    ("run/metrics.jsonl", "compare run --out out"),
    ("run/metrics.jsonl", "preview corpus --run run --recipe mrd-cosine"),
    ("run/environment.json", "resume run"),
    ("run/evaluation/*.json", "compare run --out out"),
    ("run/checkpoint-8/tidemask_state.json", "resume run"),
    ("run/checkpoint-8/model.safetensors", "resume run"),
    ("run/checkpoint-8/config.json", "evaluate run"),
    ("task.yaml", "evaluate model --tasks task.yaml"),
    ("tasks/cola/train.jsonl", "evaluate model --tasks cola --tasks-from tasks"),
    ("tasks/squad/train-v1.1.json", "evaluate model --tasks squad --tasks-from tasks"),
    ("tasks/conll2003/train.conll", "evaluate model --tasks conll2003 --tasks-from tasks"),
    ("tasks/pairs/pairs.tsv", "evaluate model --tasks pairs --task-data pairs=tasks/pairs"),
    (
        "tasks/pairs/pairs.tsv",
        "evaluate model --tasks pairs --task-data pairs=tasks/pairs/pairs.tsv",
    ),
    ("sources.yaml", "prepare sources.yaml --out out"),
    ("text.txt", "prepare sources.yaml --out out"),
]
"""A file, and a command that reads it."""


def _make_pipe(path: Path) -> None:
    os.mkfifo(path)


def _make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(path))  # the path of a socket is short


def _make_directory(path: Path) -> None:
    path.mkdir()


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise where the block has not ended by then."""

    def late(*_: object) -> None:
        raise TimeoutError(f"not over after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


_OTHERS = (_make_device, _make_socket, _make_directory)
_CASES = [(name, arguments, _make_pipe) for name, arguments in _READ] + [
    (name, arguments, _OTHERS[number % len(_OTHERS)])
    for number, (name, arguments) in enumerate(_READ[::4])
]
"""A pipe in place of each file, and one of the other kinds in place of every fourth."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments", "make"), _CASES, ids=[f"{a} ({f}){m.__name__}" for f, a, m in _CASES]
)
def test_bounds_of_reading_end_at_what_is_not_a_file(
    places: Path, tmp_path: Path, name: str, arguments: str, make: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch, tidemask: Command,
) -> None:  # fmt: skip
    root = tmp_path / "w"
    shutil.copytree(places, root)
    monkeypatch.chdir(root)
    found = sorted(root.glob(name))
    assert found, name
    found[0].unlink()
    make(found[0])
    run_yaml = root / "run" / "run.yaml"
    if run_yaml.is_file():
        run_yaml.write_text(run_yaml.read_text().replace(str(places), str(root)))
    with _within(HUNG_SECONDS):  # a command that reads on would never end
        status, out, err = tidemask(*arguments.split())
    assert status == 2, out + err
    assert err
    assert "Traceback" not in err
    assert not (root / "out").exists()


@pytest.mark.slow
def test_bounds_let_long_files_of_others_be_read(tmp_path: Path) -> None:
    """An index of half a million weights, and a configuration with as many added tokens."""
    long = {"metadata": {"note": "a" * 51_000_000}, "weight_map": {"head": "one.safetensors"}}
    index = tmp_path / "model.safetensors.index.json"
    for path in (index, tmp_path / "tokenizer_config.json"):
        path.write_text(json.dumps(long))
    model = ModelUnderTest(directory=tmp_path, tokenizer_directory=tmp_path)
    assert model._weight_files() == [index]
    _check_files(tmp_path)
