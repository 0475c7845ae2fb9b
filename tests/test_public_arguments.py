"""What a notebook user naturally writes is understood; everything else is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

import tidemask
from cases import all_cases
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


PROGRAMS = {
    "open_corpus": {}, "preview": {}, "resume": {}, "evaluate": {}, "compare": {"out": "x"},
    "prepare": {"out": "x"}, "pretrain": {"out": "x"},
}  # fmt: skip


@all_cases("value", [None, 5, True], ids=str)
@all_cases("program", PROGRAMS)
def test_public_functions_refuse_what_is_not_a_path(program: str, value: object) -> None:
    with pytest.raises(UserError, match=f"={value}. Expected [^\n]+$"):
        getattr(tidemask, program)(value, **PROGRAMS[program])


ARGUMENTS = [
    *(("prepare", name, value) for name, value in (
        ("vocab_size", "a"), ("vocab_size", 2.5), ("vocab_size", True), ("sequence_length", "a"),
        ("sequence_length", 32.5), ("held_out", "a"), ("held_out", True), ("workers", 2.5),
        ("tagger", 5), ("tokenizer", 5), ("out", None))),
    *(("pretrain", name, value) for name, value in (
        ("recipe", 5), ("overrides", 5), ("overrides", [5]), ("resume", 5), ("callbacks", 5),
        ("progress", 5), ("stop_request", 5), ("out", 5))),
    *(("preview", name, value) for name, value in (
        ("progress", None), ("progress", "a"), ("progress", [float("nan")]), ("sequence", "a"),
        ("sequence", True), ("sequence", 1.5), ("run", 5), ("recipe", 5), ("overrides", 5))),
    *(("evaluate", name, value) for name, value in (
        ("tasks", 5), ("tasks", [5]), ("checkpoints", 5.5), ("checkpoints", [None]), ("jobs", "a"),
        ("jobs", 1.5), ("jobs", True), ("task_data", 5), ("tasks_from", 5), ("data", 5))),
]  # fmt: skip


@all_cases(("program", "name", "value"), ARGUMENTS)
def test_public_functions_refuse_arguments_that_cannot_be(
    program: str, name: str, value: object, corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_text("The fox saw the grapes.", encoding="utf-8")
    first = {"prepare": tmp_path / "text.txt", "evaluate": tmp_path}.get(program, corpus)
    out = {"out": tmp_path / "out"} if program in ("prepare", "pretrain") else {}
    with pytest.raises(UserError, match=r"^[^\n]*Expected[^\n]+$|^no such [^\n]+$"):
        getattr(tidemask, program)(first, **{**out, name: value})
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


@pytest.mark.usefixtures("types_unchecked")
def test_public_masker_names_what_it_was_given() -> None:
    vocabulary = tidemask.Vocabulary.of(50, 4, range(5))
    with pytest.raises(ValueError, match=r"Expected MaskingSettings\. Give its `masking`"):
        tidemask.Masker(load_recipe("bert"), vocabulary, max_steps=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"policy='bert'.* Expected MaskingSettings"):
        tidemask.Masker("bert", vocabulary, max_steps=1)  # type: ignore[arg-type]
