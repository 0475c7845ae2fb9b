"""PLL and PPPL of texts and of files."""

from __future__ import annotations

import gzip
import lzma
import math
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from scored_material import TEXTS, model_for, sentences, slow_scores, wordpiece
from tidemask.errors import UserError
from tidemask.tasks.zero_shot.pll import pseudo_perplexity, read_texts, score_texts
from tidemask.tasks.zero_shot.scoring import ScoringSettings
from tidemask.tasks.zero_shot.text_tokens import ScoringTokenizer, TextTokens

FLOAT32 = ScoringSettings(precision="float32")


def test_pll_is_the_sum_and_pppl_its_exponential_per_token() -> None:
    tokenizer = wordpiece()
    model = model_for(tokenizer)
    scores = score_texts(model, tokenizer, TEXTS, FLOAT32)
    expected = [slow_scores(model, tokenizer, text, "original") for text in TEXTS]
    for score, values in zip(scores, expected, strict=True):
        assert score.pll == pytest.approx(sum(values), abs=1e-4)
        assert score.pppl == pytest.approx(math.exp(-sum(values) / len(values)), rel=1e-4)
        assert score.num_windows == 1
    total, count = sum(map(sum, expected)), sum(map(len, expected))
    assert pseudo_perplexity(scores) == pytest.approx(math.exp(-total / count), rel=1e-4)


def test_pll_of_a_uniform_model_has_the_vocabulary_as_pppl() -> None:
    tokenizer = wordpiece()
    model = model_for(tokenizer)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    (score,) = score_texts(model, tokenizer, ["The river"])
    assert score.pppl == pytest.approx(len(tokenizer) + 3, rel=1e-5)


def test_pll_of_nothing_is_zero_and_its_pppl_no_number() -> None:
    tokenizer = wordpiece()
    score, other = score_texts(model_for(tokenizer), tokenizer, ["", "  "])
    assert score.pll == other.pll == 0.0
    assert math.isnan(score.pppl)
    assert math.isnan(pseudo_perplexity([]))


def test_pll_of_a_long_text_is_that_of_its_windows() -> None:
    tokenizer = wordpiece()
    model = model_for(tokenizer)
    text = " ".join(sentences(9))
    (score,) = score_texts(model, tokenizer, [text], FLOAT32)
    (tokens,) = ScoringTokenizer(tokenizer).encode([text])
    windows = list(tokens.windows(64))
    assert score.num_windows == len(windows) > 2
    assert score.token_ids.tolist() == tokenizer(text, add_special_tokens=False)["input_ids"]
    expected = [value for window in windows for value in _masked_one_by_one(model, window)]
    assert score.log_probabilities == pytest.approx(expected, abs=1e-5)


def _masked_one_by_one(model: PreTrainedModel, window: TextTokens) -> list[float]:
    found = []
    for place in range(1, len(window.ids) - 1):
        ids = torch.from_numpy(window.ids).long()[None]
        target = int(ids[0, place])
        ids[0, place] = wordpiece().mask_token_id
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, place]
        found.append(float(logits.double().log_softmax(0)[target]))
    return found


@pytest.mark.parametrize(
    ("name", "opened"), [("a.txt", open), ("a.txt.gz", gzip.open), ("a.dat.xz", lzma.open)]
)
def test_pll_reads_files_of_lines_and_of_documents(
    tmp_path: Path, name: str, opened: object
) -> None:
    path = tmp_path / name
    with opened(path, "wt", encoding="utf-8") as file:
        file.write("\ufeffOne é.\r\n two \n\n\n  \nThree.")
    assert read_texts(path) == ["One é.", "two", "Three."]
    assert read_texts(path, "document") == ["One é. two", "Three."]


def test_pll_refuses_files_without_text(tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    with pytest.raises(UserError, match="no such file"):
        read_texts(path)
    path.write_text(" \n\n", encoding="utf-8")
    with pytest.raises(UserError, match="nothing but white space"):
        read_texts(path)
    path.write_bytes(b"caf\xe9")
    with pytest.raises(UserError, match="undecodable text"):
        read_texts(path)
