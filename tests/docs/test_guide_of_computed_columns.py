"""The guide on computed columns: its commands run on its own files, and its numbers hold."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

from places import ROOT
from small_runs import TINY
from tidemask.annotation import (
    bounded_counts,
    collocations,
    model_scores,
    pmi_source,
    reference_model,
    sources,
)
from tidemask.annotation.pipeline_attributes import ATTRIBUTES
from tidemask.corpus.store.columns import column_names, open_column
from tidemask.corpus.store.corpus import open_corpus

pytest.importorskip("spacy")

Command = Callable[..., tuple[int, str, str]]
TEXT = (ROOT / "docs/guides/computed-columns.md").read_text(encoding="utf-8")
QUICK = {
    "prepare": ["--workers", "1", "--sequence-length", "32", "--vocab-size", "90"],
    "annotate": ["--workers", "1"],
    "pretrain": [*TINY, "training.max_steps=2"],
}
FOUND = {
    "tfidf": "weight",
    "pmi": "group",
    "towns": "class",
    "entities": "group",
    "surprisal": "weight",
    "entropy": "weight",
    "difference": "weight",
}


@pytest.mark.slow
def test_guide_of_computed_columns_commands_run(
    tidemask: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for script in re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL):
        exec(compile(script, "computed-columns.md", "exec"), {})
    for line in "".join(re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)).splitlines():
        arguments = shlex.split(line)[1:]
        status, _, err = tidemask(*arguments, *QUICK[arguments[0]])
        assert status == 0, err
        if arguments[0] == "prepare":
            model_of(tmp_path / "corpus").save_pretrained(tmp_path / "model")
    corpus = open_corpus("corpus")
    assert {n: open_column(corpus, n).manifest.kind for n in column_names(corpus)} == FOUND
    assert open_column(corpus, "towns").manifest.class_names == ("TOWN",)
    assert all(sum(open_column(corpus, n).manifest.num_tokens.values()) for n in FOUND)


def model_of(corpus: Path) -> BertForMaskedLM:
    tokenizer = AutoTokenizer.from_pretrained(corpus / "tokenizer")
    tokenizer.save_pretrained(corpus.parent / "model")
    return BertForMaskedLM(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=64,
        )
    )


def test_guide_of_computed_columns_has_every_source_attribute_and_number() -> None:
    given = {"list:FILE", "python:MODULE:FUNCTION", "file:PATH"}  # in the other guide
    assert all(f"| `{name}` |" in TEXT for name in {*sources.SOURCE_NAMES} - given)
    rows = re.findall(r"^\| `([\w:]+)`(?: \(default\))? \| (?:class|group) \|", TEXT, flags=re.M)
    assert set(ATTRIBUTES) <= set(rows)
    assert f"{bounded_counts.CAPACITY:,} different words" in TEXT
    assert f"{collocations.MAX_COLLOCATIONS:,} n-grams" in TEXT
    assert pmi_source.MIN_OCCURRENCES == 11
    assert collocations.MAX_COVERED == 0.5
    assert model_scores.NUM_PASSES == 7
    assert all(f"| `{name}`" in TEXT for name in model_scores.ATTRIBUTES)
    assert f"at most {reference_model.MAX_WINDOW} positions" in TEXT
    assert f"at most {reference_model.BATCH_POSITIONS:,} positions at a time" in TEXT
