"""What a search reads of the studies of its rungs and its final, where that was damaged."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finished_runs import recorded_config
from tidemask.errors import UserError
from tidemask.evaluation_files import write_evaluation
from tidemask.run_record import FINAL, HELD_OUT_TASK, MEAN_LOSS
from tidemask.runs.config import load_recipe
from tidemask.runs.config import to_yaml as config_yaml
from tidemask.studies import comparison
from tidemask.studies.agreement import to_yaml
from tidemask.studies.definition import Arm, StudyDefinition
from tidemask.studies.directory import RunState, State, StudyDirectory
from tidemask.studies.planning import PlannedRun
from tidemask.studies.study_plan import plan_of
from tidemask.tuning.policies import known_policies
from tidemask.tuning.policy_runs import PolicyRuns

CONSTANT, DECAY = known_policies(())[:2]


def runs() -> PolicyRuns:
    """What reads; it trains nothing here."""
    unused: Any = None
    return PolicyRuns(definition=unused, engine=unused, jobs=1, display=unused, stop_request=unused)


def test_a_setting_that_is_wrong_in_the_final_is_said_with_its_file(tmp_path: Path) -> None:
    directory = StudyDirectory(tmp_path / "final")
    assert runs().kept(directory) == ()
    arms = {one.name: Arm(recipe="bert", overrides=one.overrides) for one in (CONSTANT, DECAY)}
    study = StudyDefinition(corpus="corpus", arms=arms, baseline=CONSTANT.name, seeds=(1,))
    directory.root.mkdir()
    directory.definition.write_text(to_yaml(study).replace("masking.unit=", "masking.unite=", 1))
    expected = rf"^wrong study in {directory.definition}: arms\.{CONSTANT.name}\.overrides: "
    with pytest.raises(UserError, match=expected):
        runs().kept(directory)


def test_a_run_of_the_final_whose_attempts_are_damaged_is_no_failed_finalist(
    corpus: Path, tmp_path: Path
) -> None:
    directory = StudyDirectory(tmp_path / "final")
    arms = {one.name: Arm(recipe="bert", overrides=one.overrides) for one in (CONSTANT, DECAY)}
    settings = ("training.max_steps=4",)
    study = StudyDefinition(
        corpus=str(corpus), arms=arms, baseline=CONSTANT.name, seeds=(1,), settings=settings
    )
    directory.root.mkdir()
    directory.definition.write_text(to_yaml(study))
    assert {one.state for one in runs().kept(directory)} == {State.WAITING}
    attempts = directory.root / "attempts" / CONSTANT.name / "seed-1.jsonl"
    attempts.parent.mkdir(parents=True)
    attempts.write_text('{"event": "end", "at": true}\n')
    with pytest.raises(UserError, match=rf"^damaged attempts: {attempts}, line 1: .* Delete the l"):
        runs().kept(directory)


def test_a_finished_run_of_the_final_without_its_result_is_named(
    corpus: Path, tmp_path: Path
) -> None:
    """The page has no verdict on it, which was said to be for want of time."""
    directory = StudyDirectory(tmp_path / "final")
    arms = {one.name: Arm(recipe="bert", overrides=one.overrides) for one in (CONSTANT, DECAY)}
    settings = ("training.max_steps=4",)
    study = StudyDefinition(
        corpus=str(corpus), arms=arms, baseline=CONSTANT.name, seeds=(1,), settings=settings
    )
    directory.root.mkdir()
    directory.definition.write_text(to_yaml(study))
    for planned in plan_of(study, directory, lambda *_: pytest.fail("unmeasured")).runs:
        run, recipe = directory.run(planned), planned.recipe
        config = recorded_config(recipe, str(corpus))
        write_evaluation(
            run, task=HELD_OUT_TASK, checkpoint=FINAL, metrics={MEAN_LOSS: 5.0}, settings={}
        )
        run.config.write_text(config_yaml(config))
        run.metrics.write_text('{"step": 4}\n')
        attempts = directory.attempts(planned)
        attempts.parent.mkdir(parents=True)
        attempts.write_text('{"event": "end", "at": 1.0, "outcome": "finished"}\n')
    assert {one.state for one in runs().kept(directory)} == {State.FINISHED}
    result = run.result(HELD_OUT_TASK, FINAL)
    result.unlink()
    with pytest.raises(UserError, match=rf"^result of a finished run is missing: {result}\. Rest"):
        runs().kept(directory)


def test_a_rung_with_a_wrong_setting_or_a_damaged_run_is_said_with_its_file_and_stays(
    corpus: Path, tmp_path: Path
) -> None:
    """Neither is a policy that failed, and nothing is trained beside it."""
    directory = StudyDirectory(tmp_path / "rung-1")
    arms = {one.name: Arm(recipe="bert", overrides=one.overrides) for one in (CONSTANT, DECAY)}
    settings = ("training.max_steps=4",)
    study = StudyDefinition(
        corpus=str(corpus), arms=arms, baseline=CONSTANT.name, seeds=(0,), settings=settings
    )
    directory.root.mkdir()
    attempts = directory.root / "attempts" / DECAY.name / "seed-0.jsonl"
    attempts.parent.mkdir(parents=True)
    attempts.write_text('{"event": "end", "at": true}\n')
    for text, expected in (
        (to_yaml(study).replace("masking.unit=", "masking.unite=", 1), directory.definition),
        (to_yaml(study), attempts),
    ):
        directory.definition.write_text(text)
        with pytest.raises(UserError, match=rf"^(wrong study in|damaged attempts:) {expected}"):
            runs().in_rung(directory, [], baseline=CONSTANT, num_steps=4)
    with pytest.raises(UserError, match=rf"^damaged attempts: {attempts}"):
        runs()._trained(directory, study)
    assert directory.definition.read_text() == to_yaml(study)


def test_a_final_of_which_a_run_cannot_be_read_has_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page leaves the run out, and of the best constant no other policy is better then."""
    said = "Left out: constant/seed-1, which cannot be read: damaged environment: F. Delete it."
    directory = StudyDirectory(tmp_path / "final")
    for left_out in ((), (said,)):
        found = SimpleNamespace(left_out=left_out)
        monkeypatch.setattr(comparison, "compare", lambda *_, found=found, **__: found)
        with pytest.raises(UserError, match=said) if left_out else nullcontext():
            runs().write_page(directory)


def test_a_result_without_the_loss_that_ranks_policies_is_said_with_its_file(
    tmp_path: Path,
) -> None:
    directory, place = StudyDirectory(tmp_path), Path("runs", DECAY.name, "seed-0")
    run = PlannedRun(
        corpus_name="", arm=DECAY.name, seed=0, corpus=Path(), recipe=load_recipe("bert"),
        place=place,
    )  # fmt: skip
    state = RunState(run=run, state=State.FINISHED, step=2, num_attempts=1)
    assert runs()._loss(directory, state) is None
    for metrics, loss in (({MEAN_LOSS: 5.25, "other": 1.0}, 5.25), ({"other": 1.0}, None)):
        path = write_evaluation(
            directory.run(run), task=HELD_OUT_TASK, checkpoint=FINAL, metrics=metrics, settings={}
        )
        if loss is not None:
            assert runs()._loss(directory, state) == loss
            continue
        with pytest.raises(UserError, match=rf"{path}: metrics\.{MEAN_LOSS} is missing\. Delete"):
            runs()._loss(directory, state)
