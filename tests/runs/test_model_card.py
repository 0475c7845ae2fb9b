"""The card of a finished run: valid for the hub, true to the run, its snippet runs."""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline

from prose import text
from small_runs import records, trained
from tidemask.corpus.prepare import prepare
from tidemask.corpus.store.corpus import open_corpus
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.runs.config import load_recipe, read_run_config
from tidemask.runs.model_card import model_card


@pytest.fixture(scope="module")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return trained(
        corpus, tmp_path_factory.mktemp("runs") / "run", "ptw-mrd", "evaluation.at_start=true"
    )


@pytest.fixture(scope="module")
def card(run: RunDirectory) -> ModelCard:
    return ModelCard.load(run.model / "README.md")


def _final(run: RunDirectory, name: str = "final") -> dict[str, Any]:
    return json.loads((run.evaluation / f"held-out--{name}.json").read_text())["metrics"]


@pytest.mark.slow
def test_model_card_front_matter_is_the_hubs(run: RunDirectory, card: ModelCard) -> None:
    data: Any = card.data
    assert (data.library_name, data.pipeline_tag) == ("transformers", "fill-mask")
    assert {"tidemask", "ptw-mrd"} <= set(data.tags)
    assert data.base_model is None
    measured = {result.metric_name: result.metric_value for result in data.eval_results}
    final = _final(run)
    assert len(measured) == 8
    for name, key in (
        ("mean of the six", "loss"), ("15 % in single tokens", "loss_15"),
        ("5 % in whole words", "word_loss_5"), ("as its recipe masks at the end", "own_loss"),
    ):  # fmt: skip
        assert measured[f"nats per masked token, {name}"] == round(final[f"held_out/{key}"], 4)
    front = yaml.safe_load(str(card).split("---\n")[1])
    assert front["model-index"][0]["name"] == "bert-tiny-ptw-mrd"


def test_model_card_says_where_a_start_tells_nothing_of_the_encoder(
    run: RunDirectory, corpus: Path, tmp_path: Path
) -> None:
    """A model that was trained before and begins above the line of frequencies had no head."""
    copied = RunDirectory(shutil.copytree(run.root, tmp_path / "run"))
    said = "cannot be read from the difference"
    card_of = partial(model_card, copied, open_corpus(corpus).manifest, mask_token="[MASK]")
    assert said not in card_of()  # of one from scratch nothing is to be known
    config = yaml.safe_load(copied.config.read_text())
    config["model"] |= {"size": None, "warm_start": "minilm"}
    copied.config.write_text(yaml.safe_dump(config))
    assert said in card_of()
    path = copied.evaluation / "held-out--start.json"
    result = json.loads(path.read_text())
    frequencies = result["metrics"]["unigram_cross_entropy"]
    assert result["metrics"]["held_out/loss"] > frequencies
    result["metrics"]["held_out/loss"] = frequencies - 0.1
    path.write_text(json.dumps(result))
    assert said not in card_of()
    path.unlink()  # as with evaluation.at_start=false
    assert said not in card_of()


def test_model_card_names_a_model_of_the_hub_and_no_directory_that_is_gone(
    run: RunDirectory, corpus: Path, tmp_path: Path
) -> None:
    copied = RunDirectory(shutil.copytree(run.root, tmp_path / "run"))
    settings = yaml.safe_load(copied.config.read_text())
    for start, on_the_hub in (
        ("/home/somebody/minilm", None),
        (str(tmp_path), None),
        ("nreimers/minilm", "nreimers/minilm"),
    ):
        settings["model"] |= {"size": None, "warm_start": start}
        copied.config.write_text(yaml.safe_dump(settings))
        card = model_card(copied, open_corpus(corpus).manifest, mask_token="[MASK]")
        data: Any = ModelCard(card).data
        assert data.base_model == on_the_hub
        assert (start in card) == (on_the_hub is not None)


def test_model_card_of_a_run_without_its_metrics_says_that_tokens_are_not_known(
    run: RunDirectory, corpus: Path, tmp_path: Path
) -> None:
    copied = RunDirectory(shutil.copytree(run.root, tmp_path / "run"))
    manifest = open_corpus(corpus).manifest
    lines = copied.metrics.read_text().splitlines()
    for kept in ("", '{"step": 8}\n'):
        copied.metrics.write_text(kept)
        card = model_card(copied, manifest, mask_token="[MASK]")
        assert "8 optimizer steps, an unknown number of tokens seen" in card
    copied.metrics.write_text(f"{lines[0]}\n")
    first = json.loads(lines[0])
    said = f"8 optimizer steps, {first['tokens_seen']:,} tokens seen by step {first['step']}, "
    assert said in model_card(copied, manifest, mask_token="[MASK]")


def test_model_card_of_a_damaged_result_is_refused_or_leaves_out_what_is_not_there(
    run: RunDirectory, corpus: Path, tmp_path: Path
) -> None:
    copied = RunDirectory(shutil.copytree(run.root, tmp_path / "run"))
    card_of = partial(model_card, copied, open_corpus(corpus).manifest, mask_token="[MASK]")
    for name, lost in (
        ("start", "held_out/loss_15_standard_error"),
        ("final", "unigram_cross_entropy"),
        ("final", "unigram_entropy"),
    ):
        path = copied.evaluation / f"held-out--{name}.json"
        before = path.read_text()
        result = json.loads(before)
        del result["metrics"][lost]
        path.write_text(json.dumps(result))
        if name == "start":
            loss = result["metrics"]["held_out/loss_15"]
            assert f"| 15 % in single tokens | {loss:.3f} | " in card_of()
            continue
        with pytest.raises(UserError, match=rf"{path}: metrics\.{lost} is missing\. Delete the"):
            card_of()
        path.write_text(before)


def test_model_card_says_what_the_run_says(
    run: RunDirectory, card: ModelCard, corpus: Path
) -> None:
    last, manifest = records(run)[-1], open_corpus(corpus).manifest
    recipe = load_recipe("ptw-mrd")
    for part in (
        recipe.source,
        recipe.deviations,
        manifest.fingerprint,
        f"{manifest.train.num_tokens:,} tokens of {manifest.train.num_documents:,} documents",
        f"{last['step']:,} optimizer steps, {last['tokens_seen']:,} tokens seen",
        f"{last['predicted_tokens']:,} predicted",
        "`training.max_steps=8`",
        "@software{tidemask",
    ):
        assert part in card.text, part
    passes = float(re.search(r"\(([0-9.]+) passes over the text\)", card.text)[1])
    num_rows = last["step"] * read_run_config(run.config).training.sequences_per_step(1)
    assert passes == pytest.approx(num_rows / manifest.train.num_sequences, abs=0.006)
    start, final = (_final(run, name)["held_out/word_loss_15"] for name in ("start", "final"))
    line = rf"\| 15 % in whole words \| {start:.3f} ± [0-9.]+ \| {final:.3f} ± "
    assert re.search(line, card.text)
    config = re.search(r"```yaml\n(.*?)```", card.text, flags=re.DOTALL)
    assert config is not None
    expected = yaml.safe_load(run.config.read_text())
    expected["corpus"]["path"] = corpus.name
    assert yaml.safe_load(config[1]) == expected


def test_model_card_tells_no_place_of_this_machine(
    run: RunDirectory, card: ModelCard, corpus: Path
) -> None:
    assert str(corpus.parent) in run.config.read_text()
    for place in (run.root, corpus):
        assert str(place.parent) not in str(card)


def test_model_card_snippet_runs(
    run: RunDirectory, card: ModelCard, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Where the card lies."""
    monkeypatch.chdir(run.model)
    block = re.search(r"```python\n(.*?)```", card.text, flags=re.DOTALL)
    assert block is not None
    exec(compile(block[1], "README.md", "exec"), {})
    assert "token_str" in capsys.readouterr().out


def test_model_card_model_loads_with_transformers(run: RunDirectory) -> None:
    model = AutoModelForMaskedLM.from_pretrained(run.model)
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    encoded = tokenizer("the river [MASK] the stone", return_tensors="pt")
    assert model(**encoded).logits.shape[-1] == len(tokenizer)
    fill = pipeline("fill-mask", model=str(run.model))
    assert len(fill("the river [MASK] the stone", top_k=3)) == 3


@pytest.mark.slow
def test_model_card_without_held_out_text_and_of_a_recipe_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(text(20))
    corpus = prepare(
        tmp_path / "text.txt",
        out=tmp_path / "corpus",
        vocab_size=150,
        sequence_length=32,
        held_out=0.0,
        tagger="none",
        workers=1,
        progress=False,
    )
    own = tmp_path / "mine.yaml"
    own.write_text("masking: {ratio: {schedule: constant, ratio: 0.2}}\n")
    run = trained(corpus.root, tmp_path / "run", str(own))
    card = ModelCard.load(run.model / "README.md")
    assert "not one of those that tidemask ships" in card.text
    assert "Tagger of token classes: none." in card.text
    assert "no held-out text" in card.text
    assert card.data.eval_results is None
