from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from synthetic_runs import MakeRun
from tidemask.report.comparability.differences import flat_settings
from tidemask.report.comparability.run_warnings import seeds_statement, warnings_for
from tidemask.report.results.read_runs import read_runs


def with_setting(run: Path, section: str, **values: Any) -> Path:
    config = yaml.safe_load((run / "run.yaml").read_text())
    config[section].update(values)
    (run / "run.yaml").write_text(yaml.safe_dump(config))
    return run


def test_equal_terms_has_no_warning_for_the_four(four_runs: list[Path]) -> None:
    assert warnings_for(read_runs(four_runs)) == []


@pytest.mark.parametrize(
    ("section", "values", "named"),
    [
        ("training", {"max_steps": 90}, "training.max_steps differs: 100 in bert; 90 in ptw."),
        ("training", {"seed": 18}, "training.seed differs: 17 in bert; 18 in ptw."),
        ("training", {"learning_rate": 0.1}, "training.learning_rate differs"),
        ("training", {"micro_batch_size": 32}, "the batch (sequences per step) differs: 16 in"),
        ("model", {"size": "other"}, "model.size differs"),
        ("model", {"warm_start": "x"}, "model.warm_start differs: none in bert; x in ptw."),
    ],
)
def test_equal_terms_names_a_difference(
    make_run: MakeRun, section: str, values: dict[str, Any], named: str
) -> None:
    other = with_setting(make_run("other", recipe="ptw"), section, **values)
    (warning,) = warnings_for(read_runs([make_run("one"), other]))
    assert named in warning


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("training", {"micro_batch_size": 8, "gradient_accumulation_steps": 2}),
        ("training", {"logging_steps": 1, "save_steps": 7}),
        ("masking", {"unit": "token"}),
        ("corpus", {"path": "/elsewhere"}),
    ],
)
def test_equal_terms_lets_pass_what_changes_nothing_or_is_compared(
    make_run: MakeRun, section: str, values: dict[str, Any]
) -> None:
    other = with_setting(make_run("other", recipe="ptw"), section, **values)
    assert warnings_for(read_runs([make_run("one"), other])) == []


def test_equal_terms_names_another_corpus(make_run: MakeRun) -> None:
    runs = [make_run("one"), make_run("two", recipe="ptw", fingerprint="sha256:0000")]
    (warning,) = warnings_for(read_runs(runs))
    assert "the corpus (its fingerprint) differs" in warning
    assert "sha256:0000 in ptw" in warning


def test_equal_terms_names_unfinished_and_unevaluated(make_run: MakeRun) -> None:
    path = make_run("stopped", last_step=75, evaluated=False)
    warnings = warnings_for(read_runs([path]))
    assert warnings[0].startswith("bert is unfinished: step 75 of 100")
    assert "no held-out evaluation" in warnings[1]
    assert len(warnings) == 2


def test_equal_terms_one_seed_supports_no_claim(four_runs: list[Path]) -> None:
    statement = seeds_statement(read_runs(four_runs))
    assert "One seed per recipe (seed 17)" in statement
    assert "no claim" in statement


def test_equal_terms_few_seeds_support_no_claim(make_run: MakeRun) -> None:
    runs = read_runs([make_run(f"run-{seed}", seed=seed) for seed in (1, 2, 3)])
    statement = seeds_statement(runs)
    assert "bert: 1, 2, 3" in statement
    assert "Fewer than 5 seeds support no claim" in statement


def test_equal_terms_enough_seeds_still_need_a_test(make_run: MakeRun) -> None:
    runs = read_runs([make_run(f"run-{seed}", seed=seed) for seed in range(5)])
    assert "paired differences" in seeds_statement(runs)


def test_equal_terms_flattens_settings() -> None:
    nested = {"a": {"b": {"c": 1}, "d": None}, "e": [1, 2], "f": {}, "g": True, "h": False}
    assert flat_settings(nested) == {
        "a.b.c": "1",
        "a.d": "none",
        "e": "[1, 2]",
        "f": "{}",
        "g": "true",
        "h": "false",
    }
