"""A model that does not fit the rows, the tokenizer or the precision of a run is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForMaskedLM

from small_runs import started, trained
from tidemask.errors import UserError
from tiny_models import tiny
from warm_starts import further, saved


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_position_embeddings": 30}, r"rows too long .*=32 of .* has 30 positions"),
        ({"extra_ids": -1}, "fewer embeddings than tokens"),
        ({"is_decoder": True}, r"not an encoder: .* a bert with is_decoder=true"),
    ],
)
def test_warm_start_refuses_a_model_that_does_not_fit(
    changes: dict[str, Any], message: str, corpus: Path, tmp_path: Path
) -> None:
    directory = saved(corpus, tmp_path / "start", **changes)
    with pytest.raises(UserError, match=message):
        started(corpus, tmp_path / "run", "bert", *further(directory))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_warm_start_of_too_few_embeddings_says_what_works(corpus: Path, tmp_path: Path) -> None:
    """The Python of the message is run, and the run starts."""
    directory = saved(corpus, tmp_path / "start", extra_ids=-2)
    with pytest.raises(UserError, match="resize_token_embeddings") as caught:
        started(corpus, tmp_path / "run", "bert", *further(directory))
    instruction = str(caught.value).partition("in Python: ")[2].removesuffix(".")
    exec(instruction, {"AutoModelForMaskedLM": AutoModelForMaskedLM})
    trained(corpus, tmp_path / "run", "bert", *further(directory))


def test_warm_start_of_a_model_without_tokenizer_is_not_sent_to_it(
    corpus: Path, tmp_path: Path
) -> None:
    directory = saved(corpus, tmp_path / "start", extra_ids=3)
    for path in directory.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(UserError, match=r"has no tokenizer\. Put its own tokenizer there"):
        started(corpus, tmp_path / "run", "bert", *further(directory))


def test_warm_start_refuses_a_precision_that_the_model_does_not_run_in(
    corpus: Path, tmp_path: Path
) -> None:
    """If the model ran in it after all, the refusal would have to go."""
    directory = saved(corpus, tmp_path / "start", "deberta")
    with pytest.raises(UserError, match=r"training\.precision=bf16 and .*, a deberta"):
        started(corpus, tmp_path / "run", "bert", *further(directory, "training.precision=bf16"))
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(RuntimeError, match="overflow"):
        tiny("deberta")(input_ids=torch.full((1, 8), 7))


@pytest.mark.slow
def test_warm_start_counts_robertas_offset_of_positions(corpus: Path, tmp_path: Path) -> None:
    """Rows of 32 need 33 where positions start after the padding id 0."""
    enough = saved(corpus, tmp_path / "enough", "roberta", max_position_embeddings=33)
    trained(corpus, tmp_path / "run", "bert", *further(enough))
    few = saved(corpus, tmp_path / "few", "roberta", max_position_embeddings=32)
    with pytest.raises(UserError, match="has 31 positions"):
        started(corpus, tmp_path / "other", "bert", *further(few))


def test_warm_start_refuses_another_tokenizer(
    corpus: Path, plain_corpus: Path, tmp_path: Path
) -> None:
    """Of as many ids, so that only the fingerprint tells."""
    directory = saved(corpus, tmp_path / "start")
    path = directory / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    first, second = sorted(vocabulary, key=vocabulary.get)[60:62]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"Prepare the text with tokenizer=.* \(--tokenizer\)"):
        started(corpus, tmp_path / "run", "bert", *further(directory))
