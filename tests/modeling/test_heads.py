"""The head at selected positions equals each architecture's own forward, gradients included."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from cases import one_in
from tidemask.modeling.heads import HEADS
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tiny_models import ARCHITECTURES, SEP, VOCAB, batch, tiny
from watched_operations import AttentionMasks, HostReads


def _own_loss(
    model: PreTrainedModel, ids: torch.Tensor, selected: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """Cross-entropy over the model's own full logits."""
    logits = model(input_ids=ids, attention_mask=None if mask is None else mask.long()).logits
    labels = torch.where(selected, ids, -100)
    return cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.flatten())


def _gradients(model: PreTrainedModel) -> dict[str, torch.Tensor | None]:
    found = {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()}
    model.zero_grad()
    return found


def _assert_same_gradients(
    ours: dict[str, torch.Tensor | None], theirs: dict[str, torch.Tensor | None]
) -> None:
    """Every parameter, to 1e-5 of itself and of the largest gradient."""
    scale = max(float(g.abs().max()) for g in theirs.values() if g is not None)
    for name, expected in theirs.items():
        got = ours[name]
        assert (got is None) == (expected is None), name
        if got is not None:
            torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5 * scale, msg=name)


def test_heads_of_every_architecture_of_the_table_are_tested() -> None:
    assert {architecture for architecture, _ in ARCHITECTURES.values()} == HEADS.keys()


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("padded", [False, True], ids=["full", "padded"])
@pytest.mark.parametrize("name", one_in(7, ARCHITECTURES))
def test_heads_at_selected_positions_equal_the_models_own(
    name: str, padded: bool, tied: bool
) -> None:
    model = tiny(name, tie_word_embeddings=tied)
    ids, selected, mask = batch(padded)
    own = _own_loss(model, ids, selected, mask)
    own.backward()
    expected = _gradients(model)
    positions = selected.flatten().nonzero().squeeze(1)
    losses = SelectedPositionsLM(model)(ids, positions, ids.flatten()[positions], mask)
    assert losses.dtype == torch.float32
    losses.mean().backward()
    torch.testing.assert_close(losses.mean(), own, rtol=1e-5, atol=0)
    _assert_same_gradients(_gradients(model), expected)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_heads_train_every_parameter_or_freeze_it(name: str, tied: bool) -> None:
    """None waits for a gradient that never comes, which data-parallel training does not forgive."""
    model = tiny(name, tie_word_embeddings=tied)
    ids, selected, _ = batch(padded=False)
    positions = selected.flatten().nonzero().squeeze(1)
    SelectedPositionsLM(model)(ids, positions, ids.flatten()[positions]).sum().backward()
    without = [n for n, p in model.named_parameters() if p.grad is None]
    frozen = [n for n, p in model.named_parameters() if not p.requires_grad]
    assert without == frozen
    assert len(frozen) == 0 if tied else len(frozen) <= 1


def test_heads_without_a_selected_position_give_zero_through_the_graph() -> None:
    for name in ARCHITECTURES:
        model = SelectedPositionsLM(tiny(name))
        nothing = torch.empty(0, dtype=torch.int64)
        loss = model(batch(False)[0], nothing, nothing).sum()
        loss.backward()
        assert loss.item() == 0.0
        assert all(p.grad is not None and not p.grad.any() for p in model.parameters()), name


_SMALL = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
OTHERS = {
    "mpnet": {**_SMALL, "pad_token_id": 1},
    "mobilebert": {**_SMALL, "embedding_size": 16, "intra_bottleneck_size": 16},
    "funnel": {
        "vocab_size": VOCAB, "block_sizes": [1, 1], "num_decoder_layers": 1, "d_model": 32,
        "n_head": 2, "d_head": 16, "d_inner": 32,
    },
    "fnet": _SMALL,
    "rembert": {**_SMALL, "input_embedding_size": 32, "output_embedding_size": 32},
    "convbert": {**_SMALL, "embedding_size": 32},
    "longformer": {**_SMALL, "attention_window": [8, 8]},
    "esm": {**_SMALL, "mask_token_id": 4, "token_dropout": True},
    "roformer": _SMALL,
}  # fmt: skip


@pytest.mark.parametrize("padded", [False, True], ids=["full", "padded"])
@pytest.mark.parametrize("name", OTHERS)
def test_heads_of_other_architectures_run_in_full_with_a_warning(
    name: str, padded: bool, caplog: pytest.LogCaptureFixture
) -> None:
    model = tiny(name, **OTHERS[name]).eval()
    wrapped = SelectedPositionsLM(model)
    assert f"{name}: no head at selected positions" in caplog.text
    ids, selected, mask = batch(padded)
    positions = selected.flatten().nonzero().squeeze(1)
    inputs = {} if mask is None or name == "fnet" else {"attention_mask": mask.long()}
    expected = model(input_ids=ids, **inputs).logits.flatten(0, 1)[positions]
    torch.testing.assert_close(wrapped.logits(ids, positions, mask), expected)
    wrapped(ids, positions, ids.flatten()[positions], mask).sum().backward()


@pytest.mark.parametrize("separator_id", [None, SEP], ids=["together", "apart"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_heads_rows_without_padding_have_no_mask_and_are_not_read(
    name: str, separator_id: int | None
) -> None:
    if name.startswith("deberta"):
        pytest.skip("its attention is its own, and makes numbers on the host")
    model = SelectedPositionsLM(tiny(name), separator_id=separator_id)
    ids, selected, _ = batch(padded=False)
    positions = selected.flatten().nonzero().squeeze(1)
    targets = ids.flatten()[positions]
    with HostReads() as reads, AttentionMasks() as attention:
        model(ids, positions, targets).sum().backward()
    assert reads.names == []
    sees_all = [mask is None for mask in attention.masks]
    everywhere = (0, 3) if name.startswith("modernbert") else range(len(sees_all))  # not in windows
    assert sees_all == [separator_id is None and i in everywhere for i in range(len(sees_all))]
