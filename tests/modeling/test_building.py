"""Models: the head at selected positions equals the full head; building leaves no trace."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedTokenizerFast

from tidemask.errors import UserError
from tidemask.modeling import (
    MODEL_SIZES,
    ModelSettings,
    SelectedPositionsLM,
    build_model,
    load_model,
)

VOCAB = 97


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    words = {f"w{i}": i for i in range(VOCAB)}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="w1")),
        pad_token="w0", unk_token="w1", cls_token="w2", sep_token="w3", mask_token="w4",
    )  # fmt: skip


def _model(size: str, tokenizer: PreTrainedTokenizerFast, dropout: float = 0.0, seed: int = 0):
    return build_model(
        ModelSettings(size=size, dropout=dropout),
        tokenizer=tokenizer,
        vocab_size=VOCAB,
        sequence_length=24,
        seed=seed,
    )


def _batch(padded: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(5, VOCAB, (4, 24), generator=generator)
    mask = None
    if padded:
        mask = torch.arange(24) < torch.tensor([24, 20, 7, 1]).unsqueeze(1)
        ids = torch.where(mask, ids, 0)
    selected = torch.rand(4, 24, generator=generator) < 0.2
    return ids, selected if mask is None else selected & mask, mask


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    "size", ["bert-tiny", "roberta-tiny", "modernbert-tiny", "modernbert-tiny-local"]
)
def test_modeling_selected_head_equals_the_full_head(
    size: str, padded: bool, tokenizer: PreTrainedTokenizerFast
) -> None:
    model = _model(size, tokenizer).train()
    ids, selected, mask = _batch(padded)
    labels = torch.where(selected, ids, -100)
    full = model(
        input_ids=ids, attention_mask=None if mask is None else mask.long(), labels=labels
    ).loss
    full.backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    positions = selected.flatten().nonzero().squeeze(1)
    losses = SelectedPositionsLM(model)(ids, positions, ids.flatten()[positions], mask)
    losses.mean().backward()
    torch.testing.assert_close(losses.mean(), full, rtol=1e-5, atol=0)
    scale = max(float(g.abs().max()) for g in expected.values())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(
            parameter.grad, expected[name], rtol=1e-5, atol=1e-5 * scale, msg=name
        )


def test_modeling_no_selected_position_is_zero_through_the_graph(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    model = SelectedPositionsLM(_model("bert-tiny", tokenizer))
    nothing = torch.empty(0, dtype=torch.int64)
    loss = model(_batch(False)[0], nothing, nothing).sum()
    loss.backward()
    assert loss.item() == 0.0
    gradients = [p.grad for p in model.parameters()]
    assert all(g is not None and not g.any() for g in gradients)


def test_modeling_unknown_architecture_runs_its_full_head(
    tokenizer: PreTrainedTokenizerFast, caplog: pytest.LogCaptureFixture
) -> None:
    config = AutoConfig.for_model(
        "mpnet", vocab_size=VOCAB, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    model = AutoModelForMaskedLM.from_config(config).eval()
    wrapped = SelectedPositionsLM(model)
    assert "full one runs" in caplog.text
    ids, selected, _ = _batch(False)
    positions = selected.flatten().nonzero().squeeze(1)
    expected = model(input_ids=ids).logits.flatten(0, 1)[positions]
    torch.testing.assert_close(wrapped.logits(ids, positions), expected)


def test_modeling_initial_weights_follow_the_seed_alone(tokenizer: PreTrainedTokenizerFast) -> None:
    before = torch.random.get_rng_state()
    first, second, other = (_model("bert-tiny", tokenizer, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    a, b, c = (model.bert.embeddings.word_embeddings.weight for model in (first, second, other))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("size", ["bert-tiny", "roberta-tiny", "modernbert-tiny"])
def test_modeling_dropout_is_what_was_set(size: str, tokenizer: PreTrainedTokenizerFast) -> None:
    model = _model(size, tokenizer, dropout=0.25)
    values = {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)}
    assert 0.25 in values


def test_modeling_published_sizes() -> None:
    """Parameters of the miniatures without embeddings, from Turc et al. 2019, table 1's shapes."""
    for name, layers, hidden in (("tiny", 2, 128), ("mini", 4, 256), ("base", 12, 768)):
        shape = MODEL_SIZES[f"bert-{name}"]
        assert (shape.layers, shape.hidden, shape.feed_forward) == (layers, hidden, 4 * hidden)
        assert shape.heads * 64 == hidden


def test_modeling_local_attention_sees_two_neighbours_a_layer(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    model = _model("modernbert-tiny-local", tokenizer).eval()
    ids = torch.full((1, 24), 7)
    changed = ids.clone()
    changed[0, 12] = 9
    with torch.no_grad():
        a, b = (model.model(input_ids=x).last_hidden_state[0] for x in (ids, changed))
    differs = (a - b).abs().amax(1) > 1e-6
    assert differs.nonzero().flatten().tolist() == list(range(12 - 4, 12 + 4 + 1))


def test_modeling_saved_model_is_loaded_again(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    model = _model("modernbert-tiny", tokenizer)
    model.save_pretrained(tmp_path)
    again = load_model(tmp_path).state_dict()
    assert all(torch.equal(again[k], v) for k, v in model.state_dict().items())
    with pytest.raises(UserError, match="no model"):
        load_model(tmp_path / "nowhere")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UserError, match="model not loadable"):
        load_model(tmp_path)
