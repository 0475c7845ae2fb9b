"""What a masking ratio that follows measurements is rewarded by, on the corpus of a run."""

from __future__ import annotations

import dataclasses
from typing import get_args

from tidemask.errors import UserError
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.ratio_bandit import Bandit
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.tasks.held_out.settings import HeldOutSettings, Part
from tidemask.training.ratio_loop import MeasureReference


def reference_measure(
    masking: MaskingSettings, evaluation: HeldOutSettings, data: CorpusInputs
) -> MeasureReference | None:
    """Measures held-out loss at the reference masking; `None` for a ratio of progress alone.

    Where the run is measured on one half of the held-out text, this reads the other.

    Raises:
        UserError: the corpus has no held-out text that it could read.
    """
    if not isinstance(masking.ratio, Bandit):
        return None
    every, *halves = get_args(Part)
    parts = dict(zip((every, *halves), (every, *reversed(halves)), strict=True))
    evaluator = data.held_out_evaluator(
        dataclasses.replace(
            evaluation, sequences=masking.ratio.sequences, draws=1, part=parts[evaluation.part]
        )
    )
    if not evaluator.has_text:
        raise UserError(
            f"no held-out text: {data.corpus.root} has none that masking.ratio.schedule="
            f"{masking.ratio.schedule} could measure. Prepare the corpus with held-out text, or "
            "choose another schedule."
        )
    return evaluator.reference
