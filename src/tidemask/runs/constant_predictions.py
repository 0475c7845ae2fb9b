"""The batches of a run that predicts as many tokens in every step, on the corpus of the run."""

from __future__ import annotations

from tidemask.batches.growing_batches import GrowingBatches
from tidemask.errors import UserError
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.ratio_bandit import Bandit
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.training.settings import TrainingSettings


def growing_batches(
    masking: MaskingSettings, training: TrainingSettings, data: CorpusInputs, num_ranks: int
) -> GrowingBatches | None:
    """The batches of `training.predictions_per_step`; `None` where it is not set.

    Args:
        masking: whose ratio the batches follow.
        training: with a length in steps.
        data: says how many tokens of a row can be masked.
        num_ranks: number of processes.

    Raises:
        UserError: a ratio that no function of progress gives, a policy that predicts less than it
            corrupts, or a number that the largest batch never reaches.
    """
    wanted = training.predictions_per_step
    if wanted is None:
        return None
    stated = f"training.predictions_per_step={wanted}"
    if isinstance(masking.ratio, Bandit):
        raise UserError(
            f"{stated} with masking.ratio.schedule={masking.ratio.schedule}, whose ratios nobody "
            "knows before. Expected another schedule, or no predictions_per_step."
        )
    if masking.prediction != "all":
        raise UserError(
            f"{stated} with masking.prediction. Expected masking.prediction=all, as the batches "
            "follow masking.ratio."
        )
    maskable = data.corpus.manifest.train.maskable_per_row
    batches = GrowingBatches.of(
        masking.ratio,
        predictions=wanted,
        maskable_per_row=maskable,
        max_steps=training.num_steps,
        largest=training.micro_batch_size,
        micro_batches=training.gradient_accumulation_steps * num_ranks,
    )
    highest = max(masking.ratio(step / training.num_steps) for step in range(training.num_steps))
    reached = training.sequences_per_step(num_ranks) * maskable * highest
    if reached < wanted:
        raise UserError(
            f"{stated} is never reached: {training.sequences_per_step(num_ranks)} sequences a step "
            f"predict {reached:.0f} tokens at the highest ratio, {highest:.3g}. Raise "
            "training.micro_batch_size, which is the largest micro-batch, or lower the number."
        )
    return batches


def growth_note(batches: GrowingBatches | None, training: TrainingSettings) -> str | None:
    """How the batches of a run grow, for its beginning."""
    if batches is None:
        return None
    sizes = batches.sizes
    note = (
        f"Micro-batches have {sizes.min()} to {sizes.max()} sequences, so that "
        f"{training.predictions_per_step} tokens are predicted in each step "
        "(training.predictions_per_step); memory follows the largest."
    )
    if batches.short_from < len(sizes):
        note += (
            f" From step {batches.short_from + 1} on some would have to be larger than "
            f"training.micro_batch_size={training.micro_batch_size}: these predict fewer."
        )
    return note
