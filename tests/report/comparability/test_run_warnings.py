from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from synthetic_runs import MakeRun, read_runs
from tidemask.report.comparability.run_warnings import seeds_statement, warnings_for
from tidemask.report.page import terms_statement
from tidemask.report.results.flat_settings import flat_settings
from tidemask.report.results.terms import policy_of


def with_setting(run: Path, section: str, /, **values: Any) -> Path:
    config = yaml.safe_load((run / "run.yaml").read_text())
    config[section] = {**(config.get(section) or {}), **values}
    (run / "run.yaml").write_text(yaml.safe_dump(config))
    return run


def test_equal_terms_has_no_warning_for_the_four(four_runs: list[Path]) -> None:
    assert warnings_for(read_runs(four_runs)) == []


@pytest.mark.parametrize(
    ("section", "values", "named"),
    [
        ("training", {"max_steps": 90}, "training.max_steps differs: 100 in bert; 90 in ptw."),
        ("training", {"seed": 18}, "the sets of seeds differ: 17 in bert; 18 in ptw."),
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


def test_equal_terms_names_another_column_of_a_name(make_run: MakeRun) -> None:
    """Within an arm as between two; an arm whose policy reads none is no other."""
    runs = [make_run(f"keywords-{seed}", seed=seed) for seed in (0, 1)]
    for run, fingerprint in zip(runs, ("aa", "bb"), strict=True):
        with_setting(run, "corpus", columns={"keywords": fingerprint})
    (warning,) = warnings_for(read_runs(runs))
    labels = [run.label for run in read_runs(runs)]
    assert f"the column keywords (its fingerprint) differs: aa in {labels[0]}; bb in" in warning
    with_setting(runs[1], "corpus", columns={"keywords": "aa"})
    assert warnings_for(read_runs([*runs, *(make_run(f"o{seed}", seed=seed, recipe="ptw")
                                            for seed in (0, 1))])) == []  # fmt: skip


def test_equal_terms_of_runs_that_were_given_more_steps(make_run: MakeRun) -> None:
    """Each goes on from a run of its own seed; another step is no seed."""
    runs = [make_run(f"run-{seed}", seed=seed) for seed in (0, 1)]
    for seed, run in enumerate(runs):
        with_setting(run, "continued_from", run=f"/runs/{seed}", step=40)
    read = read_runs(runs)
    assert warnings_for(read) == []
    assert len({policy_of(run) for run in read}) == 1
    with_setting(runs[1], "continued_from", step=50)
    read = read_runs(runs)
    assert len({policy_of(run) for run in read}) == 2
    assert any(
        "where it begins differs: step 40 of a run before it" in w for w in warnings_for(read)
    )


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


def with_processes(run: Path, number: int) -> Path:
    path = run / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "processes": number}))
    return run


def test_equal_terms_count_the_processes_of_a_batch(make_run: MakeRun) -> None:
    one = with_processes(make_run("one"), 1)
    two = with_processes(make_run("two", recipe="ptw"), 2)
    (warning,) = warnings_for(read_runs([one, two]))
    assert "the batch (sequences per step) differs: 16 in bert; 32 in ptw." in warning
    half = with_setting(two, "training", micro_batch_size=8)
    assert warnings_for(read_runs([one, half])) == []
    assert terms_statement(read_runs([one, half])).startswith("On equal terms")


def test_equal_terms_names_other_starting_weights_under_the_same_name(make_run: MakeRun) -> None:
    runs = [make_run("one"), make_run("two", recipe="ptw")]
    for run, fingerprint in zip(runs, ("aa", "bb"), strict=True):
        with_setting(run, "model", size=None, warm_start="/models/bert")
        config = yaml.safe_load((run / "run.yaml").read_text())
        (run / "run.yaml").write_text(yaml.safe_dump({**config, "model_fingerprint": fingerprint}))
    (warning,) = warnings_for(read_runs(runs))
    assert "the starting model (its fingerprint) differs: aa in bert; bb in ptw." in warning
    assert "not on equal terms" in terms_statement(read_runs(runs))


def test_equal_terms_are_not_stated_of_an_unfinished_run(make_run: MakeRun) -> None:
    statement = terms_statement(
        read_runs([make_run("a"), make_run("b", recipe="ptw", last_step=50)])
    )
    assert "On equal terms" not in statement
    assert "numbers of ptw are not those of the planned number of steps" in statement


def test_equal_terms_do_not_depend_on_the_name_of_a_recipe(make_run: MakeRun) -> None:
    runs = read_runs([make_run("one"), make_run("two", recipe="differs")])
    assert terms_statement(runs).startswith("On equal terms")
    runs = read_runs([make_run("three"), make_run("four", recipe="differs", last_step=50)])
    assert "not on equal terms" not in terms_statement(runs)


def test_equal_terms_names_unfinished_and_unevaluated(make_run: MakeRun) -> None:
    path = make_run("stopped", last_step=75, evaluated=False)
    warnings = warnings_for(read_runs([path]))
    assert warnings[0].startswith("bert is unfinished: step 75 of 100")
    assert "no held-out evaluation" in warnings[1]
    assert warnings[1].endswith("`, unless its corpus has no held-out text.")
    assert len(warnings) == 2


def test_equal_terms_one_seed_supports_no_claim(four_runs: list[Path]) -> None:
    statement = seeds_statement(read_runs(four_runs))
    assert "One seed per arm (seed 17)" in statement
    assert "no claim" in statement


def test_equal_terms_take_a_difference_of_seeds_for_the_design(make_run: MakeRun) -> None:
    runs = read_runs(
        [
            make_run(f"{recipe}-{seed}", recipe=recipe, seed=seed)
            for recipe in ("bert", "ptw")
            for seed in (1, 2, 3)
        ]
    )
    assert warnings_for(runs) == []
    assert seeds_statement(runs) == "Seeds of every arm: 1, 2, 3."
    (warning,) = warnings_for(runs[:5])
    assert "the sets of seeds differ: 1, 2, 3 in bert; 1, 2 in ptw." in warning


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
