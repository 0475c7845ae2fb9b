"""What a masking policy does to real text: one passage, masked at several steps of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tidemask.batches.stream import BatchDataset
from tidemask.corpus.store.corpus import PreparedCorpus, open_corpus
from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.masking.batch import Batch, MaskedBatch
from tidemask.masking.masker import Masker
from tidemask.masking.noise import StepKey
from tidemask.masking.units import starts_of_words
from tidemask.run_record import CLASS_LOSS, RunDirectory, read_metrics
from tidemask.runs.config import Recipe, load_recipe
from tidemask.runs.corpus_inputs import CorpusInputs, build_masker
from tidemask.settings import check_integer, is_number, shown
from tidemask.system_errors import named_causes
from tidemask.token_classes import NO_CLASS

SHARE_SEQUENCES = 512
"""Sequences from which ratio and shares are counted."""

LONGEST = 4
"""Words of at least so many tokens are counted together."""


@dataclass(frozen=True)
class PreviewToken:
    """A token of the passage: what the input shows, and whether it is to be predicted."""

    text: str
    state: str
    """`visible`; `mask`, `random` or `kept` if it is to be predicted; or `hidden`, which is
    corrupted but not predicted."""
    original: str
    starts_word: bool


@dataclass(frozen=True)
class PreviewStep:
    """The policy at one step of the run."""

    progress: float
    ratio: float
    realised_ratio: float
    class_shares: dict[str, tuple[float, float]]
    """Per class, its share of the masked tokens and of all maskable ones."""
    length_ratios: dict[str, float]
    """By the length of words in tokens, the masked share of their tokens; the last is for `n+`."""
    tokens: list[PreviewToken]


@named_causes("End other programs.")
def preview(
    corpus: str | Path,
    recipe: Recipe | str | Path = "bert",
    *,
    progress: float | Sequence[float] | NDArray[np.floating[Any]] = (0.0, 0.5, 1.0),
    run: str | Path | None = None,
    sequence: int = 0,
) -> list[PreviewStep]:
    """Mask a passage of a corpus at several steps of a run.

    The same as `tidemask preview`.

    Args:
        corpus: a prepared corpus; its held-out split is shown, or else its training split.
        recipe: the policy: a recipe, the name of a shipped one, or the path of a YAML file.
        progress: the steps, as shares of the run in [0, 1].
        run: a run whose logged class losses weight the classes; without one, a policy that weights
            them knows no losses yet and masks all classes alike.
        sequence: number of the sequence to show.

    Raises:
        UserError: no such corpus, recipe, run or sequence; a progress outside [0, 1]; a policy that
            the corpus does not fit.

    Example:
        >>> import tidemask
        >>> steps = tidemask.preview("corpus", "mrd-cosine", progress=[0.0, 1.0])
        >>> [round(step.ratio, 2) for step in steps], len(steps[0].tokens) > 0
        ([0.32, 0.02], True)
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    given = list(progress) if np.iterable(progress) else [progress]
    if not all(is_number(share) and 0.0 <= share <= 1.0 for share in given):
        raise UserError(
            f"progress outside its range: {shown(progress)}. Expected numbers from 0 to 1."
        )
    shares = [float(share) for share in given]
    opened = open_corpus(corpus)
    data = CorpusInputs.of(opened)
    training = data.planned(recipe.training, recipe.training.sequences_per_step(num_ranks=1))
    masker = build_masker(recipe.name, recipe.masking, data, training.num_steps)
    dataset = data.held_out_set() if len(opened.held_out) else data.training_set(0)
    try:
        sequence = check_integer("sequence", sequence, minimum=0, below=len(dataset.split))
    except ValueError as error:
        raise UserError(f"no such sequence: {error}") from error
    ids = [sequence, *range(min(SHARE_SEQUENCES, len(dataset.split)))]
    batch = _read(dataset, ids, opened)
    starts = starts_of_words(batch)[0]
    counted = slice(1, None)  # all but the sequence that is shown
    steps = []
    for share in shares:
        masked = masker(
            batch,
            progress=share,
            key=StepKey(recipe.training.seed, round(share * training.num_steps)),
            class_loss=_logged_losses(run, masker, share),
        )
        selected, maskable = masked.corrupted[counted], masked.maskable[counted]
        step = PreviewStep(
            progress=share,
            ratio=masker.ratio(share),
            realised_ratio=float(selected.sum() / maskable.sum().clamp(min=1)),
            class_shares=_shares(masked, counted, masker.class_names),
            length_ratios=_by_length(selected, maskable, starts[counted]),
            tokens=_tokens(masked, batch.input_ids[0].tolist(), starts[0].tolist(), data),
        )
        steps.append(step)
    return steps


def _read(dataset: BatchDataset, ids: Sequence[int], corpus: PreparedCorpus) -> Batch:
    """The sequences, of which alone is known whether they are damaged."""
    names = corpus.manifest.class_names
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
    return batch


def _shares(
    masked: MaskedBatch, counted: slice, names: Sequence[str]
) -> dict[str, tuple[float, float]]:
    if not names or masked.token_class is None:
        return {}
    token_class = masked.token_class[counted]

    def share(where: Tensor) -> list[float]:
        classes = token_class[where].long()
        classes = classes[classes != NO_CLASS]
        counts = torch.bincount(classes, minlength=len(names)).double()
        return [float(x) for x in counts / max(1, int(where.sum()))]

    shares = zip(share(masked.corrupted[counted]), share(masked.maskable[counted]), strict=True)
    return dict(zip(names, shares, strict=True))


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


def _tokens(
    masked: MaskedBatch,
    originals: Sequence[int],
    starts: Sequence[int],
    data: CorpusInputs,
) -> list[PreviewToken]:
    tokens = []
    for position, now in enumerate(masked.input_ids[0].tolist()):
        if not masked.maskable[0, position]:
            continue
        original = originals[position]
        state = "visible"
        if masked.selected[0, position]:
            state = _state(now, original, data.vocabulary.mask_id)
        elif masked.corrupted[0, position]:
            state = "hidden"
        tokens.append(
            PreviewToken(
                text=_readable(data.tokenizer.convert_ids_to_tokens(now)),
                state=state,
                original=_readable(data.tokenizer.convert_ids_to_tokens(original)),
                starts_word=starts[position] == position,
            )
        )
    return tokens


def _state(now: int, original: int, mask_id: int) -> str:
    if now == mask_id:
        return "mask"
    return "kept" if now == original else "random"


def _readable(token: object) -> str:
    text = str(token)
    for marker in ("##", "Ġ", "▁"):
        text = text.removeprefix(marker)
    return text


def _logged_losses(run: str | Path | None, masker: Masker, progress: float) -> Tensor | None:
    """The class losses that a run logged nearest to a step; `None` without a run.

    Raises:
        UserError: the run logged nothing, or the policy weights vocabulary entries, whose losses
            are in checkpoints alone.
    """
    if run is None:
        return None
    if masker.settings.uses_vocabulary_loss:
        raise UserError(
            "no logged losses of vocabulary entries: masking.content.classes=vocabulary with "
            f"run={run}. They are in its checkpoints alone; leave out `run` (--run)."
        )
    lines = read_metrics(RunDirectory(given_path(run, "run")).metrics)
    records = [line for line in lines if line["step"] > 0]
    if not records:
        raise UserError(
            f"no class losses yet: {run} has not logged a step. Wait, or leave out `run` (--run)."
        )
    nearest = min(records, key=lambda record: abs(record["progress"] - progress))
    values = [nearest.get(CLASS_LOSS + name) for name in masker.class_names]
    return torch.tensor([float("nan") if value is None else float(value) for value in values])
