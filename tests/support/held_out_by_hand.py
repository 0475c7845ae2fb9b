"""Held-out loss one sequence at a time, from the model's own logits: what tests compare with."""

from __future__ import annotations

from typing import NamedTuple

import torch

from tidemask.modeling.building import build_model
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.modeling.settings import ModelSettings
from tidemask.run_record import HELD_OUT_CELLS
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.tasks.held_out.maskings import Masking, fixed_masking


class Token(NamedTuple):
    """A masked token: its row, class and vocabulary entry, and the loss on it, nats."""

    row: int
    token_class: int
    entry: int
    loss: float


def rough_model(data: CorpusInputs) -> SelectedPositionsLM:
    """A random model whose losses differ from token to token."""
    built = build_model(
        ModelSettings(size="bert-tiny", dropout=0.3), tokenizer=data.tokenizer,
        vocab_size=data.vocabulary.size, sequence_length=32, seed=3,
    )  # fmt: skip
    with torch.no_grad():
        for parameter in built.parameters():
            parameter *= 4.0
    return SelectedPositionsLM(built)


def measured_by_hand(
    model: SelectedPositionsLM, data: CorpusInputs, *, num_draws: int
) -> dict[str, list[Token]]:
    """Every selected token of the held-out split in each cell, by the name of its loss."""
    return {
        cell.loss: selected_tokens(model, data, fixed_masking(cell, data.vocabulary), num_draws)
        for cell in HELD_OUT_CELLS
    }


def selected_tokens(
    model: SelectedPositionsLM, data: CorpusInputs, masking: Masking, num_draws: int
) -> list[Token]:
    """Every token of the held-out split that a masking selects."""
    found = []
    dataset = data.held_out_set()
    model.eval()
    for row in range(len(dataset.split)):
        batch = dataset.__getitems__([row])
        mask = None if batch.attention_mask is None else batch.attention_mask.long()
        for draw in range(num_draws):
            inputs, selected = masking(batch, draw)
            with torch.no_grad():
                output = model.language_model(input_ids=inputs, attention_mask=mask)
            surprisal = -output.logits.double().log_softmax(-1)[0]
            for position in selected[0].nonzero().flatten().tolist():
                entry = int(batch.input_ids[0, position])
                kind = int(batch.token_class[0, position])
                found.append(Token(row, kind, entry, float(surprisal[position, entry])))
    return found
