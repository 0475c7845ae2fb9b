"""Documents kept apart: a packed row equals its documents, each run alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from cases import one_in
from places import SUPPORT
from tidemask.errors import UserError
from tidemask.modeling.documents import document_starts
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tiny_models import ARCHITECTURES, FIRST_WORD, PAD, SEP, VOCAB, tiny

LENGTH = 24
ROWS = [[11, 5, 8], [24], [2, 3, 4, 2], [12, 12], [7]]
"""Lengths of the documents of each row, separator included; what is left is padding."""


def _rows(padding: int = PAD) -> tuple[torch.Tensor, torch.Tensor]:
    """Packed rows and their attention mask."""
    generator = torch.Generator().manual_seed(8)
    ids = torch.full((len(ROWS), LENGTH), padding)
    for row, lengths in enumerate(ROWS):
        filled = sum(lengths)
        ids[row, :filled] = torch.randint(FIRST_WORD, VOCAB, (filled,), generator=generator)
        ids[row, torch.tensor(lengths).cumsum(0) - 1] = SEP
    return ids, torch.tensor([[i < sum(n) for i in range(LENGTH)] for n in ROWS])


def _alone(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    """Logits of every token of the rows, each document run without the others or padding."""
    logits = []
    for row, lengths in zip(ids, ROWS, strict=True):
        for document in row[: sum(lengths)].split(lengths):
            one = document.unsqueeze(0)
            logits.append(model(input_ids=one, attention_mask=torch.ones_like(one)).logits[0])
    return torch.cat(logits)


@pytest.mark.parametrize("padding", [None, SEP], ids=["own padding id", "padded with the end"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", one_in(7, ARCHITECTURES))
def test_documents_kept_apart_equal_documents_run_alone(
    name: str, attention: str, padding: int | None
) -> None:
    """Also where documents end in the padding id, from which RoBERTa derives its positions."""
    model = tiny(name) if padding is None else tiny(name, pad_token_id=padding)
    if attention == "eager" or not name.startswith("deberta"):
        model.set_attn_implementation(attention)
    ids, mask = _rows(PAD if padding is None else padding)
    positions = mask.flatten().nonzero().squeeze(1)
    apart = SelectedPositionsLM(model, separator_id=SEP)
    expected = _alone(model, ids)
    torch.testing.assert_close(
        apart.logits(ids, positions, mask),
        expected,
        rtol=1e-5,
        atol=1e-5 * float(expected.detach().std()),
    )
    targets = (ids.flatten()[positions] * 7) % VOCAB
    losses = apart(ids, positions, targets, mask)
    losses.mean().backward()
    gradients = {n: p.grad.clone() for n, p in model.named_parameters()}
    model.zero_grad()
    own = cross_entropy(_alone(model, ids), targets)
    own.backward()
    torch.testing.assert_close(losses.mean(), own, rtol=1e-5, atol=0)
    scale = max(float(p.grad.abs().max()) for p in model.parameters())
    for n, p in model.named_parameters():
        torch.testing.assert_close(gradients[n], p.grad, rtol=1e-4, atol=1e-5 * scale, msg=n)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_documents_together_see_each_other(name: str) -> None:
    """The law above is not empty: without it the first document changes with the second."""
    model = tiny(name)
    ids, _ = _rows()
    row = ids[3:4]
    changed = row.clone()
    changed[0, 14] = FIRST_WORD + (int(row[0, 14]) + 1) % 9
    first = torch.arange(12)
    for separator, alike in ((None, False), (SEP, True)):
        wrapped = SelectedPositionsLM(model, separator_id=separator)
        before, after = (wrapped.logits(x, first) for x in (row, changed))
        assert torch.allclose(before, after, atol=1e-6) == alike


def test_documents_start_after_separators() -> None:
    ids = torch.tensor([[2, 9, SEP, 8, 8, SEP, 7, SEP], [SEP, 9, 9, 9, 9, 9, 9, SEP]])
    assert document_starts(ids, SEP).nonzero().tolist() == [[0, 0], [0, 3], [0, 6], [1, 0]]


def test_documents_may_be_named_by_their_starts() -> None:
    """A row without separators, as another packer makes it."""
    model = tiny("modernbert")
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(FIRST_WORD, VOCAB, (1, 10), generator=generator)
    starts = torch.zeros(1, 10, dtype=torch.bool)
    starts[0, 6] = True
    logits = SelectedPositionsLM(model).logits(ids, torch.arange(10), document_starts=starts)
    alone = torch.cat([model(input_ids=part).logits[0] for part in (ids[:, :6], ids[:, 6:])])
    torch.testing.assert_close(logits, alone, rtol=1e-5, atol=1e-5)


_COMPILED = """
import sys, torch
sys.path[:0] = {folders!r}
from test_documents import SEP, SelectedPositionsLM, _rows, tiny
for name in ("bert", "modernbert", "deberta-v3"):
    model = SelectedPositionsLM(tiny(name), separator_id=SEP)
    ids, mask = _rows()
    positions = torch.tensor([1, 30, 50])
    inputs = (ids, positions, mask)
    expected = model.logits(*inputs)
    compiled = torch.compile(model.logits, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(*inputs), expected)
"""


@pytest.mark.slow
def test_documents_compile_without_a_break() -> None:
    """In a process of its own: here shapes are checked at run time, which does not compile."""
    script = _COMPILED.format(folders=[str(Path(__file__).parent), str(SUPPORT)])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("name", "changes", "attention", "message"),
    [
        ("mpnet", {"vocab_size": VOCAB, "hidden_size": 32, "num_hidden_layers": 1,
                   "num_attention_heads": 2, "intermediate_size": 32}, None, "architecture mpnet"),
        ("deberta-v2", {"conv_kernel_size": 3}, None, "a convolution over 3 neighbours"),
        ("bert", {}, "flex_attention", "computes attention by flex_attention"),
    ],
)  # fmt: skip
def test_documents_that_cannot_be_kept_apart_are_refused(
    name: str, changes: dict[str, object], attention: str | None, message: str
) -> None:
    model = tiny(name, **changes)
    if attention:
        model.config._attn_implementation = attention
    with pytest.raises(UserError, match=f"cannot be kept apart: the model .*{message}"):
        SelectedPositionsLM(model, separator_id=SEP)
    wrapped = SelectedPositionsLM(model)
    starts = torch.zeros(1, 8, dtype=torch.bool)
    with pytest.raises(UserError, match="cannot be kept apart"):
        wrapped.logits(torch.full((1, 8), 9), torch.arange(2), document_starts=starts)
