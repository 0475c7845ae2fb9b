"""Held-out loss one sequence at a time, from the model's own logits: what tests compare with."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import torch

from tidemask.modeling.building import build_model
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.modeling.settings import ModelSettings
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.tasks.held_out.loss import fixed_maskings


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
) -> dict[int, list[Token]]:
    """Every selected token of the held-out split per ratio."""
    found = defaultdict(list)
    dataset = data.held_out_set()
    model.eval()
    for row in range(len(dataset.split)):
        batch = dataset.__getitems__([row])
        mask = None if batch.attention_mask is None else batch.attention_mask.long()
        for percent in (5, 15, 30):
            for inputs, selected in fixed_maskings(batch, data.vocabulary, percent, num_draws):
                with torch.no_grad():
                    output = model.language_model(input_ids=inputs, attention_mask=mask)
                surprisal = -output.logits.double().log_softmax(-1)[0]
                for position in selected[0].nonzero().flatten().tolist():
                    entry = int(batch.input_ids[0, position])
                    kind = int(batch.token_class[0, position])
                    loss = float(surprisal[position, entry])
                    found[percent].append(Token(row, kind, entry, loss))
    return found
