"""The guide on what to mask: its policies and commands run, its figures say what they show."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from benchmarks.policies.charts import FIGURES, in_words
from benchmarks.policies.figures import DRAWN, kept
from cases import all_cases
from places import ROOT
from small_runs import TINY
from tidemask import load_recipe, preview

Command = Callable[..., tuple[int, str, str]]
GUIDES = ROOT / "docs/guides"
TEXT = (GUIDES / "what-to-mask.md").read_text(encoding="utf-8")
POLICIES = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
COMMANDS = "".join(re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)).splitlines()
CARDS = {path.name for path in (ROOT / "docs/methods").glob("*.md")} - {"README.md"}


def test_guide_of_what_to_mask_links_to_every_card_once_at_least() -> None:
    assert set(re.findall(r"\.\./methods/([\w-]+\.md)", TEXT)) == CARDS


@all_cases("policy", POLICIES)
def test_guide_of_what_to_mask_policies_are_recipes(policy: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(policy, encoding="utf-8")
    assert yaml.safe_load(policy).keys() == {"masking"}
    assert load_recipe(path).masking != load_recipe("bert").masking


@pytest.mark.slow
def test_guide_of_what_to_mask_runs(
    corpus: Path, tidemask: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands in their order, then each policy, whose columns are there by then."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(corpus, "corpus")
    Path("policy.yaml").write_text(POLICIES[0], encoding="utf-8")
    quick = (*TINY, "training.max_steps=2")
    for line in COMMANDS:
        program, *words = shlex.split(line)
        if program == "printf":
            text, arrow, name = words
            assert arrow == ">"
            Path(name).write_text(text.replace(r"\t", "\t").replace(r"\n", "\n"))
        elif words[0] != "study":  # tests/docs/test_guide_of_studies.py
            status, _, err = tidemask(*words, *(quick if words[0] == "pretrain" else ()))
            assert status == 0, err
    for policy in POLICIES:
        Path("policy.yaml").write_text(policy, encoding="utf-8")
        for step in preview("corpus", "policy.yaml"):
            assert step.realised_ratio == pytest.approx(step.ratio, rel=0.2)


@all_cases("figure", list(FIGURES))
def test_guide_of_what_to_mask_figures_say_what_they_show(figure: str) -> None:
    panels = kept()["figures"][figure]
    assert f"![{in_words(figure, panels)}](../figures/{figure}.png)" in TEXT
    assert (DRAWN / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
