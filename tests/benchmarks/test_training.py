"""The benchmark of training: that it measures what it says, not how fast anything is."""

from __future__ import annotations

import math
from typing import Any

import pytest

from benchmarks.machine import conditions
from benchmarks.training import comparison
from benchmarks.training.data import step_flops
from benchmarks.training.page import page


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Two candidates at a small shape, two turns of one step."""
    small = comparison.Comparison(
        model="bert-tiny",
        batch_size=4,
        length=32,
        candidates=(
            (comparison.STOCK, "float32", "bert"),
            (comparison.TIDEMASK, "float32", "bert"),
        ),
        turns=2,
        steps=2,
    )
    found: list[dict[str, Any]] = comparison.measure([small])
    return found


@pytest.mark.slow
def test_training_benchmark_rows_say_what_the_issue_asks_for(rows: list[dict[str, Any]]) -> None:
    assert [row["group"] for row in rows] == ["stock Trainer", "tidemask"]
    for row in rows:
        assert row["model"] == "bert-tiny"
        assert row["precision"] == "float32"
        assert row["shape"] == "4x32"
        assert 0 < row["tokens_per_second"] < math.inf
        assert row["peak_memory_bytes"] > 1 << 27
        assert row["num_calls"] == 4
    assert rows[0]["times_stock"] == 1.0
    assert 0 < rows[1]["masking_share"] < 1
    assert 0 < rows[1]["loading_share"] < 1


def test_training_benchmark_counts_the_products_of_a_step() -> None:
    """Against torch's own counter, on the model itself with its head at 20 of 128 positions."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import BertConfig, BertForMaskedLM

    from tidemask.modeling.selected_positions import SelectedPositionsLM

    config = BertConfig(
        vocab_size=1000,
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=512,
        attn_implementation="eager",  # type: ignore[call-arg]
    )
    model = SelectedPositionsLM(BertForMaskedLM(config))
    ids = torch.randint(0, 1000, (2, 64))
    with FlopCounterMode(display=False) as counter:
        model(ids, torch.arange(20), torch.arange(20)).sum().backward()
    expected = step_flops("bert-tiny", vocab_size=1000, batch_size=2, length=64, ratio=20 / 128)
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.01)


def test_training_benchmark_page_shows_the_data() -> None:
    row = {
        "group": "tidemask",
        "model": "bert-tiny",
        "precision": "bf16",
        "recipe": "bert",
        "shape": "32x128",
        "tokens_per_second": 12_345.0,
        "quartiles": [12_000.0, 13_000.0],
        "times_stock": 4.5,
        "peak_memory_bytes": 512 << 20,
        "flops_per_second": 5e10,
        "masking_share": 0.0012,
        "loading_share": 0.0004,
    }
    result = {**conditions(), "rows": [row]}
    written = page(result)
    assert "| tidemask | bf16 | `bert` | 12,345 (12,000–13,000) | 4.50 | 512 MiB |" in written
    assert "0.12 % | 0.04 %" in written
    assert result["processor"] in written
