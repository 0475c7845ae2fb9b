"""What a masking policy does to real text: one passage, masked at several moments of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tidemask.batch import MaskedBatch
from tidemask.config import Recipe
from tidemask.corpus.store import open_corpus
from tidemask.errors import UserError
from tidemask.masking.masker import Masker
from tidemask.material import Material, build_masker
from tidemask.noise import StepKey
from tidemask.run_record import CLASS_LOSS, RunDirectory, read_metrics
from tidemask.token_classes import NO_CLASS

SHARE_SEQUENCES = 512
"""Sequences from which ratio and shares are counted."""


@dataclass(frozen=True)
class Piece:
    """A token of the passage: what the input shows, and what became of it."""

    text: str
    fate: str
    """`seen`, `mask`, `random` or `kept`."""
    original: str
    starts_word: bool


@dataclass(frozen=True)
class Moment:
    """The policy at one moment of the run."""

    progress: float
    ratio: float
    realised_ratio: float
    class_shares: dict[str, tuple[float, float]]
    """Per class, its share of the masked tokens and of all maskable ones."""
    pieces: list[Piece]


def preview(
    corpus: Path,
    recipe: Recipe,
    *,
    progresses: Sequence[float],
    run: Path | None,
    sequence: int,
) -> list[Moment]:
    """Mask a passage of a corpus at several moments.

    Args:
        corpus: a prepared corpus; its held-out split is shown, or else its training split.
        recipe: the policy.
        progresses: shares of the run, in [0, 1].
        run: a run whose logged class losses weigh the classes; without one, a policy that weighs
            them knows no losses yet and masks all alike.
        sequence: number of the sequence to show.

    Raises:
        UserError: no such corpus, run or sequence; a policy that the corpus does not fit.
    """
    opened = open_corpus(corpus)
    material = Material.of(opened)
    masker = build_masker(recipe.name, recipe.masking, material, recipe.training.max_steps)
    dataset = material.held_out_set() if len(opened.held_out) else material.training_set(0)
    if not 0 <= sequence < len(dataset.split):
        raise UserError(f"no such sequence: {sequence}. Expected one in [0, {len(dataset.split)}).")
    ids = [sequence, *range(min(SHARE_SEQUENCES, len(dataset.split)))]
    batch = dataset.__getitems__(ids)
    moments = []
    for progress in progresses:
        step = min(round(progress * recipe.training.max_steps), recipe.training.max_steps)
        masked = masker(
            batch,
            progress=progress,
            key=StepKey(recipe.training.seed, step),
            class_loss=None if run is None else _logged_losses(run, masker, progress),
        )
        moments.append(_moment(masked, masker, material, batch.word_starts, progress))
    return moments


def _moment(
    masked: MaskedBatch, masker: Masker, material: Material, word_starts: Tensor, progress: float
) -> Moment:
    counted = slice(1, None)
    selected, maskable = masked.selected[counted], masked.maskable[counted]
    return Moment(
        progress=progress,
        ratio=masker.ratio(progress),
        realised_ratio=float(selected.sum() / maskable.sum().clamp(min=1)),
        class_shares=_shares(masked.token_class[counted], selected, maskable, masker.class_names),
        pieces=_pieces(masked, material, word_starts[0]),
    )


def _shares(
    token_class: Tensor, selected: Tensor, maskable: Tensor, names: Sequence[str]
) -> dict[str, tuple[float, float]]:
    def share(where: Tensor) -> list[float]:
        classes = token_class[where].long()
        classes = classes[classes != NO_CLASS]
        counts = torch.bincount(classes, minlength=len(names)).double()
        return [float(x) for x in counts / max(1, int(where.sum()))]

    if not names:
        return {}
    return dict(zip(names, zip(share(selected), share(maskable), strict=True), strict=True))


def _pieces(masked: MaskedBatch, material: Material, word_starts: Tensor) -> list[Piece]:
    tokenizer = material.tokenizer
    shown = masked.input_ids[0].tolist()
    labels = masked.labels[0].tolist()
    pieces = []
    for position, maskable in enumerate(masked.maskable[0].tolist()):
        if not maskable:
            continue
        now = shown[position]
        original = labels[position] if bool(masked.selected[0, position]) else now
        pieces.append(
            Piece(
                text=_readable(tokenizer.convert_ids_to_tokens(now)),
                fate=_fate(now, labels[position], material.vocabulary.mask_id),
                original=_readable(tokenizer.convert_ids_to_tokens(original)),
                starts_word=bool(word_starts[position]),
            )
        )
    return pieces


def _fate(now: int, label: int, mask_id: int) -> str:
    if label < 0:
        return "seen"
    if now == mask_id:
        return "mask"
    return "kept" if now == label else "random"


def _readable(token: object) -> str:
    text = str(token)
    for marker in ("##", "Ġ", "▁"):
        text = text.removeprefix(marker)
    return text


def _logged_losses(run: Path, masker: Masker, progress: float) -> Tensor:
    records = read_metrics(RunDirectory(run).metrics)
    if not records:
        raise UserError(
            f"no class losses yet: {run} has not logged a step. Wait, or leave out --run."
        )
    nearest = min(records, key=lambda record: abs(record["progress"] - progress))
    values = [nearest.get(CLASS_LOSS + name) for name in masker.class_names]
    return torch.tensor([float("nan") if value is None else float(value) for value in values])
