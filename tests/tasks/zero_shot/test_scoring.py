"""Log-probabilities of masked tokens against one forward pass for each of them."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from cases import one_in
from scored_material import KINDS, TEXTS, byte_level, model_for, sentences, slow_scores, wordpiece
from tidemask.errors import UserError
from tidemask.tasks.zero_shot.scoring import Scorer, ScoringSettings
from tidemask.tasks.zero_shot.text_tokens import ScoringTokenizer

VARIANTS = ("original", "within_word_l2r")
each_variant = pytest.mark.parametrize("variant", VARIANTS)


def _scores(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: list[str], **settings: object
) -> list[np.ndarray]:
    scorer = Scorer(model, tokenizer, ScoringSettings(**{"precision": "float32", **settings}))
    return scorer.log_probabilities(scorer.tokenizer.encode(texts))


@each_variant
@pytest.mark.parametrize("kind", one_in(7, KINDS))
def test_scoring_is_one_forward_pass_per_token(kind: str, variant: str) -> None:
    tokenizer = KINDS[kind]()
    model = model_for(tokenizer)
    texts = [*TEXTS, TEXTS[0], ""]
    for text, scores in zip(texts, _scores(model, tokenizer, texts, variant=variant), strict=True):
        expected = slow_scores(model, tokenizer, text, variant)
        assert scores == pytest.approx(expected, abs=1e-5)
    assert len(scores) == 0


def test_scoring_variants_differ_where_a_word_has_several_tokens() -> None:
    tokenizer = wordpiece()
    model = model_for(tokenizer)
    original, l2r = (_scores(model, tokenizer, list(TEXTS), variant=name) for name in VARIANTS)
    encoded = ScoringTokenizer(tokenizer).encode(TEXTS)
    for text, one, other in zip(encoded, original, l2r, strict=True):
        is_last = text.word_ends == text.places + 1
        assert one[is_last] == pytest.approx(other[is_last], abs=1e-5)
        assert (np.abs(one - other)[~is_last] > 1e-4).all()
        assert is_last.any()
    assert any((text.word_ends > text.places + 1).any() for text in encoded)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("roberta", {}), ("xlm-roberta", {}), ("camembert", {}), ("distilbert", {}),
        ("electra", {}), ("albert", {}), ("modernbert", {}),
        ("deberta-v3", {}), ("modernbert-sparse", {}),
        ("convbert", {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                      "intermediate_size": 32, "embedding_size": 32}),
    ],
)  # fmt: skip
def test_scoring_of_every_kind_of_head(name: str, changes: dict[str, object]) -> None:
    tokenizer = byte_level()
    model = model_for(tokenizer, name, **changes)
    texts = [TEXTS[1], TEXTS[3]]
    for text, scores in zip(texts, _scores(model, tokenizer, texts), strict=True):
        assert scores == pytest.approx(slow_scores(model, tokenizer, text, "original"), abs=2e-5)


def test_scoring_computes_the_last_layer_where_it_is_wanted() -> None:
    tokenizer = wordpiece()
    model = model_for(tokenizer)
    seen = []
    last = model.base_model.encoder.layer[-1]
    last.intermediate.register_forward_hook(lambda module, args, output: seen.append(output.shape))
    (scores,) = _scores(model, tokenizer, [TEXTS[1]])
    assert seen == [(len(scores), 48)]


@each_variant
@pytest.mark.slow
def test_scoring_batches_of_any_size_and_order_give_the_same(variant: str) -> None:
    tokenizer = wordpiece()
    model = model_for(tokenizer)
    texts = sentences(20)
    expected = _scores(model, tokenizer, texts, variant=variant)
    for batch_tokens in (50, 1 << 20):
        found = _scores(model, tokenizer, texts, variant=variant, batch_tokens=batch_tokens)
        for one, other in zip(found, expected, strict=True):
            assert one == pytest.approx(other, abs=1e-5)
    backwards = _scores(model, tokenizer, texts[::-1], variant=variant)
    for one, other in zip(backwards[::-1], expected, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_scoring_in_small_groups_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = wordpiece()
    model = model_for(tokenizer)
    texts = sentences(30)
    expected = _scores(model, tokenizer, texts)
    monkeypatch.setattr("tidemask.tasks.zero_shot.scoring._POSITIONS_OF_GROUP", 900)
    for one, other in zip(_scores(model, tokenizer, texts), expected, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_scoring_runs_equal_copies_once() -> None:
    """A pair that differs in one token has one copy in common; a text that comes again, all."""
    tokenizer = wordpiece()
    model = model_for(tokenizer)
    lengths = []
    model.base_model.embeddings.register_forward_hook(
        lambda module, args, output: lengths.append(len(output))
    )
    pair = ["the river watches it .", "the stone watches it ."]
    good, bad = ScoringTokenizer(tokenizer).encode(pair)
    assert (good.ids != bad.ids).sum() == 1
    scores = _scores(model, tokenizer, [*pair, pair[0]])
    assert sum(lengths) == 2 * len(good) - 1
    assert scores[0].tolist() == scores[2].tolist()
    for text, found in zip(pair, scores[:2], strict=True):
        assert found == pytest.approx(slow_scores(model, tokenizer, text, "original"), abs=1e-5)


def test_scoring_of_a_model_that_knows_nothing_is_uniform() -> None:
    tokenizer = wordpiece()
    model = model_for(tokenizer)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    for scores in _scores(model, tokenizer, sentences(5)):
        assert scores == pytest.approx(-math.log(len(tokenizer) + 3), abs=1e-6)


def test_scoring_in_bf16_is_near() -> None:
    tokenizer = wordpiece()
    model = model_for(tokenizer)
    texts = sentences(20)
    exact = np.concatenate(_scores(model, tokenizer, texts))
    narrow = np.concatenate(_scores(model, tokenizer, texts, precision="bf16"))
    error = np.abs(narrow - exact)
    assert 0 < error.max() < 0.2
    assert abs((narrow - exact).mean()) < 0.01


def test_scoring_reports_its_progress_and_leaves_the_model_in_evaluation_mode() -> None:
    tokenizer = wordpiece()
    model = model_for(tokenizer).train()
    calls: list[tuple[int, int]] = []
    scorer = Scorer(model, tokenizer, ScoringSettings(batch_tokens=100))
    texts = scorer.tokenizer.encode(TEXTS)
    scorer.log_probabilities(texts, lambda _, done, total: calls.append((done, total)))
    total = sum(map(len, texts))
    assert calls[-1] == (total, total)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})
    assert len(calls) > len(texts)
    assert not model.training


def test_scoring_refuses_a_tokenizer_of_another_model() -> None:
    tokenizer = wordpiece()
    model = model_for(tokenizer, vocab_size=9)
    with pytest.raises(UserError, match=r"tokenizer of another model.*vocab_size=9"):
        _scores(model, tokenizer, ["winter"])


def test_scoring_refuses_a_model_that_diverged() -> None:
    tokenizer = wordpiece()
    model = model_for(tokenizer)
    with torch.no_grad():
        model.get_input_embeddings().weight.fill_(math.nan)
    with pytest.raises(UserError, match="scores are not finite"):
        _scores(model, tokenizer, ["winter"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variant": "l2r"}, "variant='l2r'. Expected one of original, within_word_l2r"),
        ({"precision": "fp16"}, "precision='fp16'. Expected one of auto, float32, bf16"),
        ({"batch_tokens": -1}, "batch_tokens=-1"),
    ],
)
def test_scoring_refuses_settings_that_do_not_exist(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ScoringSettings(**settings)


@each_variant
@pytest.mark.parametrize("make", [wordpiece, byte_level])
def test_scoring_equals_minicons(make: object, variant: str) -> None:
    """Where that package is installed; `benchmarks/scoring/speed.py` compares 200 pairs."""
    scorer = pytest.importorskip("minicons.scorer")
    tokenizer = make()
    model = model_for(tokenizer)
    peer = SimpleNamespace(
        tokenizer=tokenizer, model=model, device="cpu", pad_token_id=tokenizer.pad_token_id,
        cls_token_id=tokenizer.cls_token_id, sep_token_id=tokenizer.sep_token_id,
        mask_token_id=tokenizer.mask_token_id, PLL_metric=variant,
    )  # fmt: skip
    masked = scorer.MaskedLMScorer
    encoded = tokenizer(list(TEXTS), padding=True)
    theirs = masked.compute_stats(peer, masked.get_masked_tensors(peer, encoded, variant))
    for one, other in zip(_scores(model, tokenizer, TEXTS, variant=variant), theirs, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
