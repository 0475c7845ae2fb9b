"""Runs whose policy reads columns of their corpus: trained, resumed, measured, and refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from typer.main import get_command

import tidemask
from cases import one_in
from small_runs import TINY, same_weights, stopped_at, trained
from tidemask.cli import app as cli
from tidemask.errors import UserError
from tidemask.run_record import MEAN_LOSS, OWN_LOSS
from tidemask.runs.config import load_recipe, recipe_names
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.train import train

Command = Callable[..., tuple[int, str, str]]

LIST = "river\tWATER\nthe bridge\tPLACE\ngarden\tPLACE\nMarta\tNAME\n"
POLICIES = {
    "classes": ["masking.content={weighting: class_loss, classes: things, horizon_steps: 1}"],
    "table": ["masking.content={weighting: table, classes: things, weights: {NAME: 3}, others: 1}"],
    "weights": ["masking.content={weighting: column, column: scores}"],
    "groups": ["masking.unit={group: phrases}"],
}
NAMES = ["NAME", "PLACE", "WATER"]


@pytest.fixture(scope="module")
def annotated(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus with a column of each kind."""
    root = tmp_path_factory.mktemp("annotated")
    shutil.copytree(corpus, root / "corpus")
    (root / "list.txt").write_text(LIST, encoding="utf-8")
    (root / "scores.txt").write_text("the\t1\nriver\t4\nit\t0.5\nshe\t2\n", encoding="utf-8")
    for name, file, kind in (
        ("things", "list", "class"), ("phrases", "list", "group"), ("scores", "scores", "weight"),
    ):  # fmt: skip
        tidemask.annotate(
            root / "corpus", column=name, source=f"list:{root / file}.txt", kind=kind, workers=1,
            progress=False,
        )  # fmt: skip
    return root / "corpus"


def metrics_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("policy", one_in(3, POLICIES))
def test_columns_reach_the_masks_of_a_run(annotated: Path, tmp_path: Path, policy: str) -> None:
    recipe = load_recipe("bert", [*TINY, *POLICIES[policy]])
    data = CorpusInputs.of(tidemask.open_corpus(annotated)).for_policy(recipe.masking)
    names = [column.manifest.name for column in data.columns]
    assert names == list(recipe.masking.columns)  # no other is read
    for dataset in (data.training_set(0), data.held_out_set()):
        batch = dataset.__getitems__([3, 0, 1])
        rows = dataset.order.rows(torch.tensor([3, 0, 1]).numpy())
        split = "train" if dataset.split is data.corpus.train else "held_out"
        for column in data.columns:
            stored = getattr(column, split).of_rows(rows)
            assert batch.columns[column.manifest.name].tolist() == stored.tolist()
    run = tidemask.pretrain(annotated, out=tmp_path / "run", recipe=recipe, progress=False)
    written = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())
    assert written["corpus"]["columns"] == data.column_fingerprints
    assert run is not None


@pytest.mark.slow
def test_columns_of_classes_have_their_losses_logged(annotated: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    tidemask.pretrain(
        annotated, out=out, recipe="bert", overrides=[*TINY, *POLICIES["classes"]], progress=False
    )
    last = metrics_of(out)[-1]
    logged = {name.partition("/")[2] for name in last if name.startswith("class_loss/")}
    assert logged == set(NAMES)
    shares = json.loads((out / "environment.json").read_text())["corpus"]["class_share"]
    assert all(0 < shares[name] < 1 for name in NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["classes", "groups"])
def test_columns_of_a_run_that_is_resumed_are_those_it_began_with(
    annotated: Path, tmp_path: Path, policy: str
) -> None:
    """The broken run equals the unbroken one; another column of the name is refused."""
    corpus = tmp_path / "corpus"
    shutil.copytree(annotated, corpus)
    whole = trained(corpus, tmp_path / "whole", "bert", *POLICIES[policy])
    broken = stopped_at(whole, 5, tmp_path / "broken")
    other = stopped_at(whole, 5, tmp_path / "other")
    train(broken)
    assert same_weights(broken, whole)
    shutil.rmtree(corpus / "columns")
    with pytest.raises(
        UserError, match=r"no such column: .* It has none; `tidemask annotate` adds"
    ):
        train(other)
    (tmp_path / "other.txt").write_text("river\tNAME\nthe\tPLACE\nit\tWATER\n", encoding="utf-8")
    kind, name = ("class", "things") if policy == "classes" else ("group", "phrases")
    tidemask.annotate(
        corpus, column=name, source=f"list:{tmp_path / 'other.txt'}", kind=kind, workers=1,
        progress=False,
    )  # fmt: skip
    with pytest.raises(UserError, match=f"column changed: .*{name} has the fingerprint"):
        train(other)
    held_out, perplexity = tidemask.evaluate(
        whole.root, tasks=["held-out", "pseudo-perplexity"], checkpoints="5", progress=False,
        with_random=False,
    )  # fmt: skip
    (found,) = held_out.results
    assert any(f"{name} has the fingerprint" in note for note in found.notes)
    assert MEAN_LOSS in found.metrics
    assert OWN_LOSS not in found.metrics
    assert not perplexity.problem


@pytest.mark.slow
def test_columns_that_a_shipped_recipe_needs_are_said_to_be_made_by_a_command(
    plain_corpus: Path, tidemask: Command
) -> None:
    """Each column of each recipe has its command; one that needs nothing else makes it."""
    group: Any = get_command(cli.app)
    annotate = group.commands["annotate"]
    for name in recipe_names():
        recipe = load_recipe(name)
        assert set(recipe.masking.columns) == set(recipe.columns), name
        for column, options in recipe.columns.items():
            annotate.make_context("annotate", ["corpus", "--column", column, *options.split()])
    status, _, err = tidemask("preview", plain_corpus, "--recipe", "salient-spans")
    assert (status, err.count("\n")) == (2, 1)
    said = f"`tidemask annotate {plain_corpus} --column entity_types --from spacy:PIPELINE` makes"
    assert said in err
    status, _, err = tidemask("pretrain", plain_corpus, "--out", "run", "--recipe", "tfidf-masking")
    assert (status, err.count("\n")) == (2, 1)
    assert err.endswith(
        f"`tidemask annotate {plain_corpus} --column tfidf --from tfidf` makes it.\n"
    )


@pytest.mark.slow
def test_columns_of_a_policy_are_needed_by_preview_too(
    annotated: Path, plain_corpus: Path, tidemask: Command
) -> None:
    for policy in POLICIES.values():
        assert tidemask("preview", annotated, "--recipe", "bert", *policy)[0] == 0
    status, _, err = tidemask("preview", plain_corpus, "--recipe", "bert", *POLICIES["groups"])
    assert (status, err.count("\n")) == (2, 1)
    assert "no such column" in err
    status, _, err = tidemask(
        "preview", annotated, "--recipe", "bert", "masking.unit={group: scores}"
    )
    assert status == 2
    assert "masking.unit.group=scores names a column of kind weight" in err
