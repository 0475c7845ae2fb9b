"""The length of a run: stated in steps, epochs or tokens, and planned in steps."""

from __future__ import annotations

import dataclasses
import math

from tidemask.errors import UserError
from tidemask.training.settings import MAX_COUNT, TrainingSettings


def planned(
    settings: TrainingSettings, *, num_rows: int, num_tokens: int, global_batch_size: int
) -> TrainingSettings:
    """The settings with the number of steps that their length comes to.

    The steps are as few as see the rows `max_epochs` times: rounded up, so that the last step may
    go a little further. Tokens are counted in rows of the mean length, since which rows a step sees
    is not known here. Nearly all rows are full; one that is not may come early or not at all, so
    a run may read slightly less than `max_tokens`, or more than the fewest steps would.

    Args:
        settings: with one length; a number of steps is taken as it is.
        num_rows: training sequences of the corpus.
        num_tokens: tokens of these, special ones included, padding left out.
        global_batch_size: sequences per optimizer step over all ranks.

    Raises:
        UserError: more steps than can be counted, or fewer than the warm-up of the learning rate.

    Example:
        >>> from tidemask.training.settings import TrainingSettings
        >>> from tidemask.training.run_length import planned
        >>> settings = TrainingSettings(max_epochs=1.5)
        >>> planned(settings, num_rows=100, num_tokens=3200, global_batch_size=8).max_steps
        19
    """
    if settings.max_steps is not None:
        return settings
    if settings.max_epochs is not None:
        stated, sequences = f"max_epochs={settings.max_epochs:g}", settings.max_epochs * num_rows
    else:
        assert settings.max_tokens is not None, "one length is stated"
        stated, sequences = f"max_tokens={settings.max_tokens:g}", settings.max_tokens * num_rows
        sequences /= num_tokens
    # A product that rounding puts just above a whole number of steps is that number.
    exact = sequences / global_batch_size * (1.0 - 1e-12)
    if exact > MAX_COUNT:  # infinite, too
        raise UserError(
            f"run too long: training.{stated}, {exact:g} steps of {global_batch_size} sequences. "
            f"Expected at most {MAX_COUNT} steps."
        )
    steps = max(1, math.ceil(exact))
    where = f"training.{stated}, {steps} steps of {global_batch_size} sequences"
    try:
        return dataclasses.replace(settings, max_steps=steps, max_epochs=None, max_tokens=None)
    except ValueError as error:
        raise UserError(f"settings do not fit the length: {where}: training.{error}") from error
