"""What a search ends with: the policy that was shown to be better, or the best constant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tidemask.runs.config import load_recipe
from tidemask.tuning.answer import TunedPolicy, answered
from tidemask.tuning.definition import TuneDefinition, TuneDirectory
from tidemask.tuning.policies import USUAL_CONSTANT, Policy

DECAY = Policy(schedule="linear", start=30, end=15, unit="word")
COSINE = Policy(schedule="cosine", start=32, end=2, unit="token")
BASE = load_recipe("bert", ["model.size=bert-mini", "training.learning_rate=2e-3"])
DEFINITION = TuneDefinition(
    corpus="corpus", corpus_fingerprint="0123456789abcdef", recipe="bert", recipe_fingerprint="f"
)


def said(root: Path, findings: dict[Policy, str], num_seeds: int = 3) -> TunedPolicy:
    """The answer where the page has these findings, the best difference first."""
    directory = TuneDirectory(root)
    tables = directory.final.report / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    rows = [[one.name, found, f"{one.name}: {found}."] for one, found in findings.items()]
    rows.append([USUAL_CONSTANT.name, "baseline", None])
    columns = [{"name": name} for name in ("arm", "finding", "sentence")]
    (tables / "arms.json").write_text(json.dumps({"columns": columns, "rows": rows}))
    return answered(
        directory, DEFINITION, BASE, [USUAL_CONSTANT, DECAY, COSINE],
        num_seeds=num_seeds, num_policies=20, spent_seconds=600.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("findings", "winner"),
    [
        ({COSINE: "better", DECAY: "better"}, COSINE),
        ({DECAY: "not shown: about 9 more seeds", COSINE: "better"}, COSINE),
        ({DECAY: "not shown", COSINE: "worse"}, USUAL_CONSTANT),
        ({DECAY: "equal within the margin", COSINE: "worse"}, USUAL_CONSTANT),
    ],
)
def test_the_answer_is_the_best_that_was_shown_to_be_better_or_the_constant(
    tmp_path: Path, findings: dict[Policy, str], winner: Policy
) -> None:
    found = said(tmp_path, findings)
    assert (found.name, found.is_better) == (winner.name, winner is not USUAL_CONSTANT)
    assert found.verdicts == tuple(f"{one.name}: {said}." for one, said in findings.items())
    recipe = load_recipe(found.recipe)
    assert recipe.masking == load_recipe("bert", winner.overrides).masking
    assert (recipe.model, recipe.training) == (BASE.model, BASE.training)
    assert recipe.overrides == ()
    if winner is USUAL_CONSTANT:
        assert found.sentence.startswith("The best constant was not beaten: ")
    assert winner.name in found.sentence
    assert found.sentence in recipe.source


def test_what_is_not_shown_is_said_as_such(tmp_path: Path) -> None:
    one = said(tmp_path, {DECAY: "not shown"}, num_seeds=1)
    assert "One seed supports no interval" in one.sentence
    none = said(tmp_path, {DECAY: "better"}, num_seeds=0)
    assert (none.name, none.is_better, none.verdicts) == (USUAL_CONSTANT.name, False, ())
    assert "nothing is shown" in none.sentence
