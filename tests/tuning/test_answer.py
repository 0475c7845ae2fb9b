"""What a search ends with: the policy that was shown to be better, or the best constant."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tidemask.errors import UserError
from tidemask.runs.config import load_recipe
from tidemask.tuning.answer import TunedPolicy, answered
from tidemask.tuning.definition import TuneDefinition, TuneDirectory
from tidemask.tuning.final_outcome import FinalOutcome
from tidemask.tuning.policies import USUAL_CONSTANT, Policy

DECAY = Policy(schedule="linear", start=30, end=15, unit="word")
COSINE = Policy(schedule="cosine", start=32, end=2, unit="token")
BASE = load_recipe("bert", ["model.size=bert-mini", "training.learning_rate=2e-3"])
DEFINITION = TuneDefinition(
    corpus="corpus", corpus_fingerprint="0123456789abcdef", recipe="bert", recipe_fingerprint="f"
)


def said(
    root: Path,
    findings: dict[Policy, str],
    num_seeds: int = 3,
    failed: Sequence[Policy] = (),
    policies: Sequence[Policy] = (USUAL_CONSTANT, DECAY, COSINE),
) -> TunedPolicy:
    """The answer where the page has these findings, the best difference first."""
    directory = TuneDirectory(root)
    tables = directory.final.report / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    rows = [[one.name, found, f"{one.name}: {found}."] for one, found in findings.items()]
    rows.append([USUAL_CONSTANT.name, "baseline", None])
    columns = [{"name": name} for name in ("arm", "finding", "sentence")]
    (tables / "arms.json").write_text(json.dumps({"columns": columns, "rows": rows}))
    final = FinalOutcome(policies=tuple(policies), num_steps=1580, num_seeds=num_seeds,
                         failed=tuple(one.name for one in failed))  # fmt: skip
    return answered(directory, DEFINITION, BASE, final, num_policies=20, spent_seconds=600.0)


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
        assert found.sentence.startswith("The best constant was not beaten after ")
    assert "after 1,580 steps, with 3 seeds" in found.sentence
    assert winner.name in found.sentence
    assert found.sentence in recipe.source


def test_what_is_not_shown_is_said_as_such(tmp_path: Path) -> None:
    one = said(tmp_path, {DECAY: "not shown"}, num_seeds=1)
    assert "One seed supports no interval" in one.sentence
    none = said(tmp_path, {DECAY: "better"}, num_seeds=0)
    assert (none.name, none.is_better, none.verdicts) == (USUAL_CONSTANT.name, False, ())
    assert "nothing is shown" in none.sentence
    assert "a larger budget goes on from here" in none.sentence
    source = load_recipe(none.recipe).source
    assert source.startswith("tidemask tune: 20 policies were tried in 0:10:00 on the corpus 0123")
    alone = said(tmp_path, {}, num_seeds=0, policies=[USUAL_CONSTANT])
    assert alone.sentence == (
        "No policy but a constant was measured, so nothing is shown. The best constant of the "
        "search is constant-15-token."
    )


def test_earlier_looks_at_the_final_are_said(tmp_path: Path) -> None:
    findings = {DECAY: "better"}
    assert "An answer was given before" not in said(tmp_path, findings, 3).sentence
    assert "An answer was given before" not in said(tmp_path, findings, 3).sentence
    said(tmp_path, findings, 0)  # nothing was shown
    again = said(tmp_path, findings, 5)
    assert "An answer was given before, with 3 seeds: each look" in again.sentence
    assert again.sentence in load_recipe(again.recipe).source
    assert "before, with 3 and 5 seeds: each look" in said(tmp_path, findings, 8).sentence
    for damaged in ("{", '{"num_seeds": [3, 0]}', '{"num_seeds": [-5]}'):
        TuneDirectory(tmp_path).looks.write_text(damaged)
        with pytest.raises(UserError, match=r"looks\.json.* say how often you looked"):
            said(tmp_path, findings, 8)


def test_a_finalist_that_failed_is_named_and_never_wins(tmp_path: Path) -> None:
    findings = {COSINE: "better", DECAY: "better"}
    found = said(tmp_path, findings, failed=[COSINE])
    assert found.name == DECAY.name
    assert found.verdicts == (f"{DECAY.name}: better.",)
    assert f"not compared: {COSINE.name}; look into " in found.sentence
    for failed in ([COSINE, DECAY], [USUAL_CONSTANT]):
        nothing = said(tmp_path, findings, failed=failed)
        assert (nothing.name, nothing.is_better) == (USUAL_CONSTANT.name, False)
        assert "nothing left to compare" in nothing.sentence
        assert "larger budget" not in nothing.sentence
        assert all(one.name in nothing.sentence for one in failed)
