"""What a notebook user naturally writes is understood; everything else is refused in one line."""

from __future__ import annotations

from pathlib import Path

import jaxtyping
import pytest

import tidemask
from tidemask import UserError, load_recipe

TINY = {"model.size": "bert-tiny", "training.max_steps": 4, "training.micro_batch_size": 4,
        "training.save_steps": 2, "training.report_to": "none"}  # fmt: skip


def test_public_overrides_may_be_a_string_or_a_mapping() -> None:
    listed = load_recipe("bert", ["training.max_steps=2", "masking.unit=word"])
    assert load_recipe("bert", {"training.max_steps": 2, "masking.unit": "word"}).training == (
        listed.training
    )
    assert load_recipe("bert", "training.max_steps=2").training == listed.training


def test_public_recipe_may_be_one_that_is_loaded() -> None:
    recipe = load_recipe("ptw-mrd", "training.max_steps=7")
    again = load_recipe(recipe, {"training.seed": 3})
    assert (again.masking, again.training.max_steps, again.training.seed) == (recipe.masking, 7, 3)
    assert again.overrides == ("training.max_steps=7", "training.seed=3")


@pytest.mark.slow
def test_public_functions_take_recipes_strings_and_numbers(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = {"out": out, "recipe": load_recipe("bert"), "overrides": TINY, "progress": False}
    tidemask.pretrain(corpus, **arguments)
    tidemask.pretrain(corpus, **arguments, resume=True)
    results = tidemask.evaluate(
        out, tasks="held-out,pseudo-perplexity", checkpoints=[2, "final"], with_random=False,
        overrides={"pseudo_perplexity.sequences": 2}, progress=False,
    )  # fmt: skip
    assert {(r.task, r.checkpoint) for r in results} == {
        (task, name) for task in ("held-out", "pseudo-perplexity")
        for name in ("checkpoint-2", "final")
    }  # fmt: skip


def test_public_preview_takes_a_number(corpus: Path) -> None:
    assert [step.progress for step in tidemask.preview(corpus, progress=0.5)] == [0.5]


def test_public_arguments_that_are_wrong_are_refused_in_a_line(
    corpus: Path, tmp_path: Path
) -> None:
    for call, message in (
        (lambda: tidemask.preview(corpus, progress=[2]), r"progress outside its range: \[2\]"),
        (lambda: tidemask.pretrain(corpus, out=tmp_path / "r", resume="yes"), "resume='yes'"),
        (lambda: tidemask.evaluate("r", jobs=-1), "jobs=-1"),
    ):
        with pytest.raises(UserError, match=message):
            call()
    assert not (tmp_path / "r").exists()


def test_public_masker_names_what_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as at a user's
    vocabulary = tidemask.Vocabulary.of(50, 4, range(5))
    with pytest.raises(ValueError, match=r"Expected MaskingSettings\. Give its `masking`"):
        tidemask.Masker(load_recipe("bert"), vocabulary, max_steps=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"policy='bert'.* Expected MaskingSettings"):
        tidemask.Masker("bert", vocabulary, max_steps=1)  # type: ignore[arg-type]
