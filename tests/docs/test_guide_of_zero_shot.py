"""What the guide of zero-shot measurements shows: commands exist, Python runs, numbers hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from documented_commands import check_command
from places import ROOT
from prose import text
from tidemask.modeling.building import build_model
from tidemask.modeling.settings import ModelSettings
from tidemask.tasks.table import TaskSettings
from tidemask.tasks.zero_shot.pseudo_perplexity import PseudoPerplexitySettings
from trained_tokenizer import train_tokenizer

GUIDE = (ROOT / "docs/guides/zero-shot.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


@pytest.mark.parametrize("line", [line for block in _blocks("sh") for line in block.splitlines()])
def test_guide_of_zero_shot_commands_exist(line: str) -> None:
    check_command(line)


def test_guide_of_zero_shot_names_settings_that_exist() -> None:
    named = re.findall(r"\b(\w+)\.(\w+)=", "".join(_blocks("sh")))
    named += re.findall(r"`(minimal_pairs|scoring|pseudo_perplexity)\.(\w+)`", GUIDE)
    assert named
    for section, name in named:
        assert hasattr(getattr(TaskSettings(), section), name), f"{section}.{name}"


def test_guide_of_zero_shot_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tokenizer = train_tokenizer([text(3)], vocab_size=120).tokenizer
    settings = ModelSettings(size="bert-tiny")
    build_model(
        settings, tokenizer=tokenizer, vocab_size=len(tokenizer), sequence_length=32, seed=0
    ).save_pretrained("model")
    tokenizer.save_pretrained("model")
    Path("pairs.tsv").write_text("The river\triver The\nit finds\tfinds it\n", encoding="utf-8")
    (block,) = _blocks("python")
    exec(compile(block, "zero-shot.md", "exec"), {})
    assert re.fullmatch(r"(0\.0|0\.5|1\.0) \(.*as the first pair.*\)\n", capsys.readouterr().out)


def test_guide_of_zero_shot_names_the_sample() -> None:
    settings = PseudoPerplexitySettings()
    assert f"{settings.sequences} of them" in GUIDE
    assert f"and {settings.tokens_per_sequence} evenly spaced tokens of each" in GUIDE


def test_guide_of_zero_shot_names_files_that_exist() -> None:
    for name in re.findall(r"\]\(\.\./([\w/.-]+)\)", GUIDE):
        assert (ROOT / "docs" / name).is_file(), name
