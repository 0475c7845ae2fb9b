"""What a masking policy does to real text: passages, masked at several steps of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tidemask.batches.stream import BatchDataset
from tidemask.corpus.store.corpus import open_corpus
from tidemask.errors import UserError
from tidemask.files.atomic import write_atomically
from tidemask.files.paths import given_path
from tidemask.masking.batch import Batch, MaskedBatch
from tidemask.masking.columns import classes_in, groups_in, weights_in
from tidemask.masking.masker import Masker
from tidemask.masking.noise import StepKey
from tidemask.masking.part import AtStep
from tidemask.masking.units import starts_of_words
from tidemask.report.preview_page import render_preview_page
from tidemask.report.previewed import PreviewPassage, PreviewStep, PreviewToken
from tidemask.runs.config import Recipe, load_recipe
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.corpus_masker import build_masker, coverage_notes
from tidemask.runs.moments import Moment, moments_of
from tidemask.runs.overrides import Overrides
from tidemask.runs.parts_in_words import parts_in_words
from tidemask.runs.previewed_passages import passages_of
from tidemask.runs.previewed_run import PreviewedRun
from tidemask.settings import check_integer, is_number, shown
from tidemask.system_errors import named_causes
from tidemask.token_classes import NO_CLASS

__all__ = ["PreviewPassage", "PreviewStep", "PreviewToken", "preview"]

SHARE_SEQUENCES = 512
"""Sequences from which ratio and shares are counted."""

SCORED_SEQUENCES = 64
"""As many where a model has to score them."""

_ON_PAGE = 4
"""Sequences on a page, where nobody says which."""

OTHERS = "others"
"""What the tokens without a class are called."""

LONGEST = 4
"""Words of at least so many tokens are counted together."""

_CHECKED_BY = {"class": classes_in, "weight": weights_in, "group": groups_in}
"""What refuses a wrong value of a column, by its kind."""


@named_causes("End other programs.")
def preview(
    corpus: str | Path,
    recipe: Recipe | str | Path = "bert",
    *,
    overrides: Overrides = (),
    progress: Literal["auto"] | float | Sequence[float] | NDArray[np.floating[Any]] = "auto",
    run: str | Path | None = None,
    sequence: int | Sequence[int] | None = None,
    page: str | Path | None = None,
) -> list[PreviewStep]:
    """Mask passages of a corpus at several steps of a run.

    The same as `tidemask preview`.

    Args:
        corpus: a prepared corpus; its held-out split is shown, or else its training split.
        recipe: the policy: a recipe, the name of a shipped one, or the path of a YAML file.
        overrides: settings over those of the recipe, as `pretrain` takes them.
        progress: the steps, as shares of the run in [0, 1]; `auto` for beginning, middle and end,
            and each side of where a phase ends.
        run: a run that the masks follow: what it logged of classes, the ratio that it chose, what
            its checkpoints have learned of vocabulary entries, the scores of its models. Without
            one, a policy that learns knows nothing yet and masks all alike.
        sequence: numbers of the sequences to show; `None` for the first, on a page the first four.
        page: a file to which all of it is written as one HTML page, too; it is replaced.

    Raises:
        UserError: no such corpus, recipe, run or sequence; a progress outside [0, 1]; a policy that
            the corpus does not fit; a run that has nothing of what the policy follows; a page that
            cannot be written.

    Example:
        >>> import tidemask
        >>> steps = tidemask.preview("corpus", "mrd-cosine", progress=[0.0, 1.0])
        >>> [round(step.ratio, 2) for step in steps], len(steps[0].tokens) > 0
        ([0.32, 0.02], True)
        >>> token = steps[0].tokens[0]
        >>> token.state in ("visible", "mask", "random", "kept"), round(token.inclusion, 2)
        (True, 0.32)
    """
    recipe = load_recipe(recipe, overrides)
    shares = _shares_of_run(progress)
    place = None if page is None else given_path(page, "page")
    opened = open_corpus(corpus)
    data = CorpusInputs.of(opened).for_policy(recipe.masking, recipe.columns)
    training = data.planned(recipe.training, recipe.training.sequences_per_step(num_ranks=1))
    masker = build_masker(recipe.name, recipe.masking, data, training.num_steps)
    known = None if run is None else PreviewedRun(run, masker, data)
    dataset = data.held_out_set() if len(opened.held_out) else data.training_set(0)
    if sequence is None:
        sequence = range(min(_ON_PAGE if place else 1, len(dataset.split)))
    ids = _sequences(sequence, len(dataset.split))
    shown_rows = _read(dataset, ids, data)
    num_counted = SCORED_SEQUENCES if known and recipe.masking.scoring else SHARE_SEQUENCES
    counted = _read(dataset, range(min(num_counted, len(dataset.split))), data)
    moments = moments_of(recipe.masking, training.num_steps)
    if shares is not None:
        moments = [Moment(share) for share in shares]
    batches = ids, shown_rows, counted
    seed = recipe.training.seed
    notes = tuple(coverage_notes(recipe.masking, data))
    steps = [
        replace(_step(moment, masker, batches, data, known, seed), notes=notes)
        for moment in moments
    ]
    if place is not None:
        facts = {"corpus": str(opened.root), "fingerprint": opened.manifest.fingerprint}
        facts |= {} if run is None else {"weights of the run": str(run)}
        facts |= {"notes": " ".join(notes)} if notes else {}
        text = render_preview_page(steps, recipe=recipe.name, summary=recipe.summary, facts=facts)
        write_atomically(place, text, what="page")
    return steps


def _step(
    moment: Moment,
    masker: Masker,
    batches: tuple[Sequence[int], Batch, Batch],
    data: CorpusInputs,
    known: PreviewedRun | None,
    seed: int,
) -> PreviewStep:
    """The policy at one moment: its passages, and what it does on the counted sequences."""
    progress, step = moment.progress, round(moment.progress * masker.max_steps)
    ids, shown_rows, counted = batches
    ratio = known.ratio(progress) if known else None
    class_loss = known.class_loss(progress) if known else None

    def at(batch: Batch) -> AtStep:
        scores = known.scores(batch, progress=progress, step=step) if known else None
        return AtStep(progress, StepKey(seed, step), class_loss, scores)

    masked = masker(counted, **vars(at(counted)), ratio=ratio)
    num_maskable = masked.maskable.sum().clamp(min=1)
    starts, _ = starts_of_words(counted)
    return PreviewStep(
        progress=progress,
        ratio=masker.ratio(progress) if ratio is None else ratio,
        realised_ratio=float(masked.corrupted.sum() / num_maskable),
        class_shares=_shares(masked, masker.class_names),
        length_ratios=_by_length(masked.corrupted, masked.maskable, starts),
        passages=passages_of(masker, shown_rows, at(shown_rows), ratio, ids, data),
        parts=parts_in_words(masker.settings, progress),
        step=step,
        num_steps=masker.max_steps,
        note=moment.note,
        shortfall=0.0 if masked.shortfall is None else float(masked.shortfall / num_maskable),
    )


def _shares_of_run(progress: Any) -> list[float] | None:
    """The steps that are asked for, as shares of the run; `None` where the policy decides."""
    if isinstance(progress, str) and progress == "auto":
        return None
    given = list(progress) if np.iterable(progress) else [progress]
    if not all(is_number(share) and 0.0 <= share <= 1.0 for share in given):
        raise UserError(
            f"progress outside its range: {shown(progress)}. Expected numbers from 0 to 1, or auto."
        )
    return [float(share) for share in given]


def _sequences(sequence: Any, num_rows: int) -> list[int]:
    """The numbers of the sequences to show, which there are."""
    given = (
        list(sequence) if np.iterable(sequence) and not isinstance(sequence, str) else [sequence]
    )
    try:
        ids = [check_integer("sequence", each, minimum=0, below=num_rows) for each in given]
    except ValueError as error:
        raise UserError(f"no such sequence: {error}") from error
    if not ids:
        raise UserError("no such sequence: sequence=[]. Expected at least one number.")
    return ids


def _read(dataset: BatchDataset, ids: Sequence[int], data: CorpusInputs) -> Batch:
    """The sequences, of which alone is known whether they and their columns are damaged."""
    corpus, names = data.corpus, data.corpus.manifest.class_names
    try:
        batch = dataset.__getitems__(ids)
        if names and batch.token_class is not None:
            known = batch.token_class[batch.token_class != NO_CLASS]
            if len(known) and (highest := int(known.max())) >= len(names):
                raise ValueError(f"token_class={highest}. Expected classes in [0, {len(names)}).")
    except ValueError as error:
        raise UserError(
            f"damaged corpus: the rows in {corpus.root}: {error} Restore it, or prepare it again."
        ) from error
    for stored in data.columns:
        try:
            _CHECKED_BY[stored.manifest.kind](batch, stored.manifest.column)
        except ValueError as error:
            raise UserError(
                f"damaged column: {stored.root}: {error} Remove its directory and annotate the "
                "corpus again."
            ) from error
    return batch


def _shares(masked: MaskedBatch, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Per class, its share of the masked tokens and of all maskable ones; last those of none."""
    if not names or masked.token_class is None:
        return {}
    token_class = masked.token_class

    def share(where: Tensor) -> list[float]:
        classes = token_class[where].long()
        classes = classes.masked_fill(classes == NO_CLASS, len(names))
        counts = torch.bincount(classes, minlength=len(names) + 1).double()
        return [float(x) for x in counts / max(1, int(where.sum()))]

    shares = list(zip(share(masked.corrupted), share(masked.maskable), strict=True))
    found = dict(zip(names, shares[:-1], strict=True))
    _, without = shares[-1]
    return (
        {**found, OTHERS if OTHERS not in found else f"({OTHERS})": shares[-1]}
        if without
        else found
    )


def _by_length(selected: Tensor, maskable: Tensor, starts: Tensor) -> dict[str, float]:
    """Masked share of the tokens of words of each length, up to `LONGEST` and beyond."""
    index = starts.long()
    zeros = torch.zeros(index.shape, dtype=torch.int64)
    length = zeros.scatter_add(1, index, maskable.long()).gather(1, index).clamp(max=LONGEST)
    ratios = {}
    for size in range(1, LONGEST + 1):
        of_size = maskable & (length == size)
        if bool(of_size.any()):
            name = f"{size}+" if size == LONGEST else str(size)
            ratios[name] = float((selected & of_size).sum() / of_size.sum())
    return ratios
