"""What a step costs: as training itself counts it, and kept for as long as the study goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from small_runs import TINY, trained
from tidemask.errors import UserError
from tidemask.run_record import FLOPS, PREDICTED_TOKENS, read_metrics
from tidemask.studies.agreement import to_yaml
from tidemask.studies.definition import Arm, StudyDefinition
from tidemask.studies.directory import StudyDirectory
from tidemask.studies.lengths import equal_lengths, own_lengths
from tidemask.studies.planning import arm_recipes, planned_runs
from tidemask.studies.step_costs import MeasuredStep, cost_key, kept_costs, step_costs
from tidemask.studies.study import plan_study
from tidemask.studies.study_plan import plan_of

ARMS = {
    "constant": Arm(recipe="bert"),
    "decay": Arm(recipe="mrd-cosine"),
    "many": Arm(recipe="wettig-40", overrides=("training.micro_batch_size=16",)),
}


def study(corpus: Path, equal: str, *settings: str) -> StudyDefinition:
    return StudyDefinition(
        corpus=str(corpus),
        arms=ARMS,
        baseline="constant",
        seeds=(0,),
        settings=(*TINY, *settings),
        equal=equal,  # type: ignore[arg-type]
    )


def unmeasured(_corpus: str, _arm: str) -> float:
    raise AssertionError("nothing is to be timed")


def untimed(_corpus: str, _arm: str) -> MeasuredStep:
    raise AssertionError("nothing is to be timed")


@pytest.mark.slow
def test_counted_costs_are_what_training_logs(corpus: Path, tmp_path: Path) -> None:
    for equal, name in (("flops", FLOPS), ("predicted_tokens", PREDICTED_TOKENS)):
        asked = study(corpus, equal, "training.max_steps=20")
        recipes = arm_recipes(asked)
        costs = step_costs(asked, recipes, {}, unmeasured)
        for arm, recipe in recipes.items():
            if not (tmp_path / arm).exists():
                trained(corpus, tmp_path / arm, ARMS[arm].recipe, "training.max_steps=20",
                        "evaluation.every_steps=20", *ARMS[arm].overrides)  # fmt: skip
            last = read_metrics(tmp_path / arm / "metrics.jsonl")[-1]
            # 5 standard errors of Bernoulli draws over 20 steps of at least 8 rows of 30 tokens
            assert 20 * costs[cost_key(asked, "", arm, recipe)] == pytest.approx(
                last[name], rel=0.16 if name == PREDICTED_TOKENS else 0.05
            )


@pytest.mark.slow
def test_costs_that_are_known_hold_until_the_settings_of_the_arm_change(corpus: Path) -> None:
    asked = study(corpus, "predicted_tokens")
    costs = step_costs(asked, arm_recipes(asked), {}, unmeasured)
    kept = {key: 2.0 * cost for key, cost in costs.items()}
    assert step_costs(asked, arm_recipes(asked), kept, unmeasured) == kept
    edited = study(corpus, "predicted_tokens", "masking.unit=word")
    again = step_costs(edited, arm_recipes(edited), kept, unmeasured)
    assert list(again.values()) == pytest.approx(list(costs.values()))
    assert not again.keys() & kept.keys()


@pytest.mark.slow
def test_lengths_spend_the_budget_of_the_baseline_or_say_that_none_does(corpus: Path) -> None:
    asked = study(corpus, "predicted_tokens", "training.max_steps=100")
    recipes = arm_recipes(asked)
    costs = step_costs(asked, recipes, {}, unmeasured)
    by_arm = {("", arm): costs[cost_key(asked, "", arm, one)] for arm, one in recipes.items()}
    lengths = equal_lengths(asked, own_lengths(asked, recipes), by_arm)
    assert lengths["", "constant"] == 100
    assert lengths["", "decay"] == round(100 * 0.15 / 0.17)
    assert lengths["", "many"] == round(100 * 0.15 / 0.4 / 2)
    short = study(corpus, "predicted_tokens", "training.max_steps=1")
    with pytest.raises(UserError, match="budget that no run can meet: arm many would have 0 steps"):
        equal_lengths(short, own_lengths(short, arm_recipes(short)), by_arm)
    epochs = study(corpus, "steps", "training.max_steps=null", "training.max_epochs=2")
    with pytest.raises(UserError, match="arms of other lengths: many has"):
        equal_lengths(epochs, own_lengths(epochs, arm_recipes(epochs)), by_arm)


@pytest.mark.parametrize("cost", ["0", "-2.5", "NaN", "1e999", '"3"', "true", "null", "[1]"])
def test_costs_that_no_step_has_are_refused_by_their_file(cost: str, tmp_path: Path) -> None:
    path = tmp_path / "step_costs.json"
    assert kept_costs(path) == {}
    path.write_text(f'{{"constant 0a": 3.5, "decay 0b": {cost}}}')
    with pytest.raises(UserError, match=rf"^damaged costs of a step: {path}: .*Restore the file"):
        kept_costs(path)
    path.write_text('{"constant 0a": 3.5}')
    assert kept_costs(path) == {"constant 0a": 3.5}
    path.unlink()
    path.symlink_to(tmp_path / "nothing-there")
    with pytest.raises(UserError, match="no such file"):
        kept_costs(path)


@pytest.mark.slow
def test_lengths_of_costs_that_were_edited_name_their_file(corpus: Path, tmp_path: Path) -> None:
    asked = study(corpus, "predicted_tokens", "training.max_steps=100")
    costs = step_costs(asked, arm_recipes(asked), {}, unmeasured)
    directory = StudyDirectory(tmp_path)
    for factor in (1e-12, 1e12):
        edited = {key: cost * factor if "decay" in key else cost for key, cost in costs.items()}
        directory.step_costs.write_text(json.dumps(edited))
        with pytest.raises(UserError, match=rf"decay would have .* {directory.step_costs}\.$"):
            plan_of(asked, directory, untimed)


def test_flops_that_are_not_known_are_refused(corpus: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model_type": "fnet", "hidden_size": 16, "num_hidden_layers": 1}))
    asked = study(corpus, "flops", "model.size=null", f"model.config={config}")
    with pytest.raises(UserError, match=r"^FLOPs are not known: of the architecture fnet, "):
        step_costs(asked, arm_recipes(asked), {}, unmeasured)


def test_a_length_that_another_setting_does_not_fit_is_said_of_the_arm(corpus: Path) -> None:
    asked = study(
        corpus, "predicted_tokens", "training.max_steps=100", "training.lr_warmup_steps=50"
    )
    recipes = arm_recipes(asked)
    lengths = {("", "constant"): 100, ("", "decay"): 88, ("", "many"): 19}
    with pytest.raises(
        UserError, match=r"^budget that an arm cannot meet: many would have 19 steps"
    ):
        planned_runs(asked, recipes, lengths)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_studies")
def test_forecast_counts_what_lies_on_the_disk(corpus: Path, tmp_path: Path) -> None:
    """A measured checkpoint is there to be counted, and all are counted where all are kept."""
    asked = study(corpus, "steps", "training.keep_checkpoints=0", "training.save_steps=3")
    asked = replace(asked, arms={name: ARMS[name] for name in ("constant", "decay")})
    file = tmp_path / "study.yaml"
    file.write_text(to_yaml(asked))
    forecast = plan_study(file, out=tmp_path / "out")
    run = trained(corpus, tmp_path / "run", "bert", "training.keep_checkpoints=0",
                  "training.save_steps=3")  # fmt: skip
    sizes = [_size(path) for _, path in run.checkpoints()]
    assert len(sizes) == 3
    expected = 2 * _size(run.model) + sum(sizes)
    assert forecast.num_bytes == pytest.approx(expected, rel=0.02)
    assert not (tmp_path / "out").exists()


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
