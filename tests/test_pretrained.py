"""Code of the author of a model or tokenizer never runs, whatever is named or said on stdin."""

from __future__ import annotations

import ast
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, AutoModelForQuestionAnswering, AutoTokenizer

from cases import one_in
from places import ROOT
from privileges import readable_by_all, without_privileges
from scored_material import model_for, wordpiece
from small_runs import TINY, trained
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.errors import UserError
from tidemask.files.atomic import follow_umask
from tidemask.modeling.loading import load_model
from tidemask.pretrained import from_config, from_pretrained

Command = Callable[..., tuple[int, str, str]]

_CODE = """
from pathlib import Path
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

Path({marker!r}).touch()

class Config(BertConfig):
    model_type = "own"

class Model(BertForMaskedLM):
    config_class = Config

class Tokenizer(PreTrainedTokenizerFast):
    pass
"""


def _names_own_tokenizer(directory: Path, marker: Path) -> None:
    """Let a directory name a tokenizer class of its own, whose import leaves the marker."""
    (directory / "code.py").write_text(_CODE.format(marker=str(marker)), encoding="utf-8")
    path = directory / "tokenizer_config.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    own = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": [None, "code.Tokenizer"]}}
    path.write_text(json.dumps({**fields, **own}), encoding="utf-8")


def _names_own_model(directory: Path, marker: Path) -> None:
    """Let a model directory name classes of its own for configuration, models and tokenizer."""
    _names_own_tokenizer(directory, marker)
    path = directory / "config.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    own = {f"AutoModelFor{head}": "code.Model" for head in ("MaskedLM", "SequenceClassification")}
    own = {"AutoConfig": "code.Config", **own}
    path.write_text(json.dumps({**fields, "model_type": "own", "auto_map": own}), encoding="utf-8")


@pytest.fixture
def hostile(tmp_path: Path) -> tuple[Path, Path]:
    """A model with its tokenizer that names its own code, and the file that the code would make."""
    directory, marker = tmp_path / "hostile", tmp_path / "ran"
    model_for(wordpiece()).save_pretrained(directory)
    wordpiece().save_pretrained(directory)
    _names_own_model(directory, marker)
    return directory, marker


@pytest.fixture
def hostile_tokenizer(tmp_path: Path) -> tuple[Path, Path]:
    """A tokenizer alone, without a config.json, that names its own code."""
    directory, marker = tmp_path / "tokenizer", tmp_path / "ran"
    wordpiece().save_pretrained(directory)
    _names_own_tokenizer(directory, marker)
    return directory, marker


@pytest.fixture(autouse=True)
def yes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input says yes to everything."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 50))


@pytest.mark.parametrize("auto_class", [AutoConfig, AutoTokenizer])
def test_pretrained_code_would_run_if_transformers_were_asked_directly(
    hostile: tuple[Path, Path], auto_class: Any
) -> None:
    """The control: these directories do run code, and the answer on stdin does allow it."""
    directory, marker = hostile
    auto_class.from_pretrained(str(directory))
    assert marker.exists()


def test_pretrained_refuses_a_tokenizer_of_its_own_in_one_line(
    hostile_tokenizer: tuple[Path, Path], tidemask: Command, tmp_path: Path
) -> None:
    directory, marker = hostile_tokenizer
    (tmp_path / "text.txt").write_text("A fox saw the grapes.\n", encoding="utf-8")
    status, out, err = tidemask(
        "prepare", tmp_path / "text.txt", "--out", tmp_path / "out", "--tokenizer", directory
    )
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert str(directory / "tokenizer_config.json") in err
    assert "auto_map" in err
    assert not marker.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        "score {model} text",
        "fill {model} [MASK]",
        "evaluate {model} --data {corpus} --no-random",
        "evaluate {model} --data {corpus} --tasks pseudo-perplexity",
        "pretrain {corpus} --out {out} model.warm_start={model}",
        "pretrain {corpus} --out {out} model.config={model}",
    ],
)
def test_pretrained_refuses_a_model_of_its_own_in_every_command(
    hostile: tuple[Path, Path],
    plain_corpus: Path,
    tidemask: Command,
    tmp_path: Path,
    arguments: str,
) -> None:
    directory, marker = hostile
    places = {"model": directory, "corpus": plain_corpus, "out": tmp_path / "out"}
    status, _, err = tidemask(*arguments.format(**places).split())
    assert status == 2
    assert "auto_map" in err, err
    assert "config.json" in err, err
    assert "Traceback" not in err
    assert not marker.exists()
    assert not (tmp_path / "out" / "run.yaml").exists()


@pytest.mark.parametrize("verb", one_in(3, ["pretrain", "preview", "resume"]))
def test_pretrained_refuses_a_corpus_whose_tokenizer_names_its_own_code(
    plain_corpus: Path, tidemask: Command, tmp_path: Path, verb: str
) -> None:
    corpus, marker, out = tmp_path / "corpus", tmp_path / "ran", tmp_path / "out"
    shutil.copytree(plain_corpus, corpus)
    if verb == "resume":
        shutil.rmtree(trained(corpus, out, "bert").model)
    _names_own_tokenizer(corpus / "tokenizer", marker)
    arguments = {"pretrain": [corpus, "--out", out, *TINY], "preview": [corpus], "resume": [out]}
    status, _, err = tidemask(verb, *arguments[verb])
    assert status == 2
    assert "auto_map" in err, err
    assert not marker.exists()


def test_pretrained_refuses_a_head_of_its_own_for_a_known_architecture(
    hostile: tuple[Path, Path],
) -> None:
    """transformers has the configuration, and no such head for it."""
    directory, marker = hostile
    config = AutoConfig.for_model("vit")
    config.auto_map = {"AutoModelForQuestionAnswering": "code.Model"}
    config.name_or_path = str(directory)
    with pytest.raises(UserError, match="code of its own"):
        from_config(AutoModelForQuestionAnswering, config)
    assert not marker.exists()


def test_pretrained_refuses_an_attention_kernel_of_the_hub(hostile: tuple[Path, Path]) -> None:
    directory, _ = hostile
    path = directory / "config.json"
    fields = {**json.loads(path.read_text()), "model_type": "bert", "auto_map": {}}
    path.write_text(json.dumps({**fields, "attn_implementation": "someone/kernel"}))
    with pytest.raises(UserError, match="attn_implementation=someone/kernel is a kernel"):
        from_pretrained(AutoConfig, directory)


def test_pretrained_refuses_flash_attention_that_may_become_a_kernel_of_the_hub(
    hostile: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the package kernels, transformers loads `kernels-community` in place of flash-attn."""
    directory, _ = hostile
    path = directory / "config.json"
    fields = {**json.loads(path.read_text()), "model_type": "bert", "auto_map": {}}
    path.write_text(json.dumps({**fields, "attn_implementation": "flash_attention_2"}))
    assert from_pretrained(AutoConfig, directory)._attn_implementation == "flash_attention_2"
    (tmp_path / "packages" / "kernels").mkdir(parents=True)
    (tmp_path / "packages" / "kernels" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "packages")
    with pytest.raises(UserError, match="attn_implementation=flash_attention_2, and the package"):
        from_pretrained(AutoConfig, directory)


def test_pretrained_takes_a_class_of_transformers_in_place_of_the_named_one(
    hostile_tokenizer: tuple[Path, Path],
) -> None:
    directory, marker = hostile_tokenizer
    path = directory / "tokenizer_config.json"
    known = {**json.loads(path.read_text()), "tokenizer_class": "PreTrainedTokenizerFast"}
    path.write_text(json.dumps(known))
    assert from_pretrained(AutoTokenizer, directory).mask_token == wordpiece().mask_token
    assert not marker.exists()


@pytest.mark.slow
def test_pretrained_is_the_only_module_that_calls_from_pretrained_and_from_config() -> None:
    calls = {
        (path.relative_to(ROOT).as_posix(), node.func.attr)
        for folder in ("src", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("from_pretrained", "from_config", "_from_config")
    }
    module = "src/tidemask/pretrained.py"
    without_ours = "benchmarks/evaluation/held_out_cells.py"  # it checks the package from outside
    assert calls == {
        (module, "from_pretrained"),
        (module, "from_config"),
        (without_ours, "from_pretrained"),
    }


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_pretrained_model_without_permission_is_named_as_such(name: str) -> None:
    with readable_by_all() as root:
        model_for(wordpiece()).save_pretrained(root)
        load_model(root)  # everything is imported
        follow_umask(root)
        (root / name).chmod(0)
        with without_privileges(), pytest.raises(UserError) as caught:
            load_model(root)
    said = f"cannot read: {root / name}: Permission denied. Check the permissions of it and of the"
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_pretrained_tokenizer_without_permission_is_named_as_such(name: str) -> None:
    with readable_by_all() as root:
        wordpiece().save_pretrained(root)
        load_tokenizer(str(root))
        (root / name).chmod(0)
        with without_privileges(), pytest.raises(UserError) as caught:
            load_tokenizer(str(root))
    said = f"cannot read: {root / name}: Permission denied. Check the permissions of it and of the"
    assert str(caught.value).startswith(said)


def test_pretrained_directory_that_is_gone_is_not_looked_for_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a checkpoint that a run deletes while it is evaluated, under whatever name."""
    monkeypatch.chdir(tmp_path)
    for place in (Path("run/checkpoint-5"), tmp_path / "run", Path("checkpoint-5")):
        with pytest.raises(UserError) as caught:
            from_pretrained(AutoConfig, place)
        assert str(caught.value).startswith(f"no such directory: {place}. It is gone, as ")
        with pytest.raises(UserError) as caught:
            load_tokenizer(place)
        assert str(caught.value).startswith(f"no such directory: {place}. It is gone, as ")


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_pretrained_file_with_half_of_a_surrogate_pair_is_named(name: str, tmp_path: Path) -> None:
    """transformers reads it, and cannot write it again: a traceback in the middle of a run."""
    model_for(wordpiece()).save_pretrained(tmp_path)
    wordpiece().save_pretrained(tmp_path)
    path = tmp_path / name
    fields = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**fields, "note": ["\U0001f30a"]}), encoding="utf-8")
    auto_class = AutoConfig if name == "config.json" else AutoTokenizer
    from_pretrained(auto_class, tmp_path)  # a whole pair, escaped as a half of one is
    path.write_text(json.dumps({**fields, "note": [{"x": "\ud800"}]}), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        from_pretrained(auto_class, tmp_path)
    assert str(caught.value).startswith(f"damaged file: {path}: a string with '\\ud800', half of a")
