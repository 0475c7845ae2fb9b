"""The two records: what they count, and that moving or changing them leaves the original alone."""

from dataclasses import FrozenInstanceError, fields, replace

import pytest
import torch

from tidemask.masking.batch import IGNORE_INDEX, Batch, MaskedBatch


def plain_batch(**changes):
    values = {
        "input_ids": torch.arange(6).reshape(2, 3),
        "maskable": torch.tensor([[True, True, False], [True, False, False]]),
        "word_starts": torch.tensor([[True, False, True], [True, True, True]]),
        "token_class": torch.tensor([[0, 0, 255], [1, 255, 255]], dtype=torch.uint8),
        "sample_ids": torch.tensor([10, 11]),
    }
    return Batch(**(values | changes))


def masked_batch(**changes):
    selected = torch.tensor([[True, True, False], [False, False, False]])
    ids = torch.arange(6).reshape(2, 3)
    batch = plain_batch()
    values = {
        "input_ids": ids,
        "labels": ids.masked_fill(~selected, IGNORE_INDEX),
        "selected": selected,
        "corrupted": selected,
        "maskable": batch.maskable,
        "token_class": batch.token_class,
    }
    return MaskedBatch(**(values | changes))


def test_ignore_index_is_what_cross_entropy_skips():
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([1, IGNORE_INDEX, 3, IGNORE_INDEX])
    all_but_ignored = torch.nn.functional.cross_entropy(logits[[0, 2]], labels[[0, 2]])
    assert torch.equal(torch.nn.functional.cross_entropy(logits, labels), all_but_ignored)


def test_counts_are_int64_scalars():
    masked = masked_batch()
    counts = masked.num_selected(), masked.num_corrupted(), masked.num_maskable()
    for count, expected in zip(counts, (2, 2, 3), strict=True):
        assert count.shape == ()
        assert count.dtype == torch.int64
        assert int(count) == expected


@pytest.mark.parametrize(("normaliser", "expected"), [("selected", 2), ("maskable", 3)])
def test_normaliser_chooses_the_count(normaliser, expected):
    assert int(masked_batch(normaliser=normaliser).num_normalising()) == expected


def test_empty_batch_counts_nothing():
    masked = masked_batch()
    none = {f.name: getattr(masked, f.name)[:0] for f in fields(masked)[:6]}
    masked = replace(masked, **none)
    assert int(masked.num_selected()) == int(masked.num_maskable()) == 0


@pytest.mark.parametrize("record", [plain_batch(), masked_batch(normaliser="maskable")])
def test_to_moves_every_tensor_and_keeps_the_rest(record):
    moved = record.to("meta")
    assert type(moved) is type(record)
    for field in fields(record):
        before, after = getattr(record, field.name), getattr(moved, field.name)
        if isinstance(before, torch.Tensor):
            assert before.device.type == "cpu"
            assert (after.device.type, after.shape, after.dtype) == (
                "meta",
                before.shape,
                before.dtype,
            )
        else:
            assert after == before


def test_to_moves_optional_tensors_too():
    mask = torch.ones(2, 3, dtype=torch.bool)
    masked = masked_batch(attention_mask=mask, loss_weight=torch.ones(2, 3)).to("meta")
    assert masked.attention_mask.device.type == masked.loss_weight.device.type == "meta"
    assert plain_batch(attention_mask=mask).to("meta").attention_mask.device.type == "meta"


@pytest.mark.parametrize("record", [plain_batch(), masked_batch()])
def test_records_are_frozen(record):
    with pytest.raises(FrozenInstanceError):
        record.input_ids = torch.zeros(2, 3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_to_keeps_values_on_a_gpu():
    batch = plain_batch()
    back = batch.to("cuda").to("cpu")
    torch.cuda.synchronize()
    assert torch.equal(back.input_ids, batch.input_ids)
    assert torch.equal(back.token_class, batch.token_class)
