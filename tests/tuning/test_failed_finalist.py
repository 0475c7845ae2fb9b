"""A finalist whose loss is not finite: the page is about the others, and so is the answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from small_runs import TINY
from tidemask.runs.config import load_recipe
from tidemask.studies.study import run_study
from tidemask.tuning.answer import answered
from tidemask.tuning.definition import TuneDefinition, TuneDirectory
from tidemask.tuning.final_outcome import final_outcome
from tidemask.tuning.policies import USUAL_CONSTANT, Policy

DECAYS = [Policy(schedule="linear", start=start, end=5, unit="token") for start in (30, 40)]
POLICIES = [USUAL_CONSTANT, *DECAYS]
DIVERGING = DECAYS[0]
DEFINITION = TuneDefinition(
    corpus="corpus", corpus_fingerprint="c", recipe="bert", recipe_fingerprint="r"
)


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_finalist_that_diverges_is_named_and_the_others_are_compared(
    plain_corpus: Path, tmp_path: Path
) -> None:
    directory = TuneDirectory(tmp_path / "out")
    directory.root.mkdir()
    arms = {
        one.name: {
            "recipe": "bert",
            "overrides": [
                *one.overrides,
                *(["training.learning_rate=1e30"] if one is DIVERGING else []),
            ],
        }
        for one in POLICIES
    }
    study = {"corpus": str(plain_corpus), "arms": arms, "baseline": USUAL_CONSTANT.name,
             "seeds": [1], "settings": list(TINY)}  # fmt: skip
    (tmp_path / "study.yaml").write_text(json.dumps(study))
    status = run_study(tmp_path / "study.yaml", out=directory.final.root, progress=False)
    final = final_outcome(POLICIES, status.states, num_steps=8, is_over=False)
    assert (final.num_seeds, final.failed, final.can_compare) == (1, (DIVERGING.name,), True)
    found = answered(
        directory, DEFINITION, load_recipe("bert"), final, num_policies=8, spent_seconds=60.0
    )
    assert len(found.verdicts) == 1
    assert DECAYS[1].name in found.verdicts[0]
    assert f"not compared: {DIVERGING.name}; look into " in found.sentence
    assert found.page is not None
