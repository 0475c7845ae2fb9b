"""Which runs a study has, in which order, how long: laws of a fair comparison."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from tidemask.errors import UserError
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.schedule import Constant, Cosine
from tidemask.masking.sequence_ratio import UniformAround
from tidemask.studies.budget import predicted_share, steps_of_equal_cost
from tidemask.studies.definition import Arm, StudyDefinition, StudyEvaluation
from tidemask.studies.planning import arm_recipes, planned_runs, unequal_settings

ARMS = {
    "decay": Arm(recipe="mrd-cosine"),
    "constant": Arm(recipe="bert"),
    "words": Arm(recipe="bert", overrides=["masking.unit=word", "masking.ratio.ratio=0.3"]),
}


def study(**given: object) -> StudyDefinition:
    whole = {"corpus": {"a": "/a", "b": "/b"}, "arms": ARMS, "baseline": "constant",
             "seeds": [3, 1, 2], "settings": ["training.max_steps=100"]}  # fmt: skip
    return StudyDefinition(**{**whole, **given})  # type: ignore[arg-type]


def runs_of(definition: StudyDefinition) -> list:  # type: ignore[type-arg]
    lengths = {(corpus, arm): 100 for corpus in definition.corpora for arm in definition.arms}
    return planned_runs(definition, arm_recipes(definition), lengths)


def test_every_prefix_of_a_study_is_a_fair_comparison() -> None:
    runs = runs_of(study())
    assert len(runs) == len({run.place for run in runs}) == 2 * 3 * 3
    for end in range(len(runs) + 1):
        done = Counter((run.corpus_name, run.arm) for run in runs[:end])
        counts = [done[corpus, arm] for corpus in "ab" for arm in ARMS]
        assert max(counts) - min(counts) <= 1
        assert all(done[corpus, "constant"] >= done[corpus, arm] for corpus in "ab" for arm in ARMS)


def test_a_seed_is_the_same_in_every_arm_and_stands_in_the_place() -> None:
    for run in runs_of(study()):
        assert run.recipe.training.seed == run.seed
        assert run.place == Path("runs", run.corpus_name, run.arm, f"seed-{run.seed}")
        assert run.recipe.training.max_steps == 100


def test_random_weights_are_measured_once_for_each_architecture_and_corpus() -> None:
    wide = {**ARMS, "wide": Arm(recipe="bert", overrides=["model.size=bert-mini"])}
    definition = study(arms=wide, evaluation=StudyEvaluation(tasks=["sst2"]))
    measured = [(run.corpus_name, run.recipe.model.size) for run in runs_of(definition)
                if run.with_random]  # fmt: skip
    assert sorted(measured) == sorted({(run.corpus_name, run.recipe.model.size)
                                       for run in runs_of(definition)})  # fmt: skip


def test_arms_that_would_compare_nothing_are_refused() -> None:
    with pytest.raises(UserError, match="equal settings: constant and same"):
        arm_recipes(study(arms={**ARMS, "same": Arm(recipe="bert")}))
    with pytest.raises(UserError, match="seed in the settings of arm decay"):
        arm_recipes(study(settings=["training.seed=3"]))


def test_what_is_wrong_is_named_by_its_key_in_the_study() -> None:
    wrong = ["masking.unit=byte"]
    cases = [
        ({"arms": {**ARMS, "words": Arm(recipe="brt")}},
         r"arms\.words\.recipe: no such recipe: brt\. Did you mean bert"),
        ({"arms": {**ARMS, "words": Arm(recipe="bert", overrides=wrong)}},
         r'arms\.words\.overrides: masking\.unit="byte"\. Expected'),
        ({"settings": wrong}, r'settings: masking\.unit="byte"\. Expected'),
        ({"settings": ["training.max_step=4"]},
         r"settings: training\.max_step=4: unknown key training\.max_step\. Did you mean max_"),
        ({"settings": ["masking"]}, r"settings: unreadable setting: 'masking'"),
    ]  # fmt: skip
    for changed, expected in cases:
        with pytest.raises(UserError, match=f"^{expected}"):
            arm_recipes(study(**changed))


def test_what_differs_beside_the_masking_is_said() -> None:
    other = {**ARMS, "slow": Arm(recipe="bert", overrides=["training.learning_rate=1e-5"])}
    (sentence,) = unequal_settings(arm_recipes(study(arms=other)), "constant")
    assert "slow differs from constant in training.learning_rate=1e-05" in sentence
    less = {**ARMS, "less": Arm(recipe="bert", overrides=["evaluation.final_draws=1"])}
    (sentence,) = unequal_settings(arm_recipes(study(arms=less)), "constant")
    assert sentence.endswith("measured otherwise, so that the page shows it apart.")


@pytest.mark.slow
def test_predicted_share_is_the_integral_of_the_schedule() -> None:
    cosine = MaskingSettings(ratio=Cosine(start=0.32, end=0.02))
    assert predicted_share(cosine) == pytest.approx((0.32 + 0.02) / 2, abs=1e-9)
    fewer = MaskingSettings(ratio=Constant(ratio=0.4), prediction=Constant(ratio=0.15))
    assert predicted_share(fewer) == pytest.approx(0.15)
    spread = dataclasses.replace(
        fewer, ratio=Constant(ratio=0.15), per_sequence=UniformAround(half_width=0.15)
    )
    assert predicted_share(spread) == pytest.approx(0.1125)  # half draw U(0, 0.15), half have 0.15


def test_arms_of_equal_cost_spend_what_the_baseline_spends_to_half_a_step() -> None:
    costs = {"constant": 0.15, "decay": 0.17, "many": 0.4}
    steps = steps_of_equal_cost(costs, "constant", 1000)
    assert steps["constant"] == 1000
    for arm, cost in costs.items():
        assert abs(steps[arm] * cost - 1000 * 0.15) <= cost / 2
    with pytest.raises(UserError, match="arm many would have 0 steps"):
        steps_of_equal_cost({"constant": 0.1, "many": 0.9}, "constant", 4)
    with pytest.raises(UserError, match="arm tiny would have inf steps"):
        steps_of_equal_cost({"constant": 1e300, "tiny": 1e-300}, "constant", 4)
