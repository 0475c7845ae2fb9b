"""The masks that a run's own policy draws at its end, for the loss "measured as trained"."""

from __future__ import annotations

from tidemask.masking.ratio_bandit import Bandit
from tidemask.run_record import RunDirectory
from tidemask.runs.config import read_run_config
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.corpus_masker import build_masker
from tidemask.runs.logged_losses import learned_in
from tidemask.tasks.held_out.maskings import Masking, own_masking
from tidemask.training.checkpoint_state import STATE_FILE, read_state
from tidemask.training.ratio_loop import ratio_of_last_block


def own_masking_of(run: RunDirectory, data: CorpusInputs) -> Masking | None:
    """The final distribution of a run's policy, on the corpus that it was trained on.

    A policy that learns needs what it had learned by the run's end, and one that follows
    measurements its last ratio: the last checkpoint holds both.

    Returns:
        `None` where such a policy has no last checkpoint: the run goes on, or it was deleted; and
        where masks follow scores of the model itself, so that each model would have its own.

    Raises:
        UserError: the state of the last checkpoint is damaged.
    """
    config = read_run_config(run.config)
    last = config.training.num_steps
    masker = build_masker(config.recipe, config.masking, data, last)
    if masker.settings.scoring is not None:
        return None
    ratio = masker.settings.ratio
    if masker.settings.learning is None and not isinstance(ratio, Bandit):
        return own_masking(masker, None)
    if not (run.checkpoint(last) / STATE_FILE).is_file():
        return None
    state = read_state(run.checkpoint(last))
    ended = ratio_of_last_block(ratio, state.ratio_loop) if isinstance(ratio, Bandit) else None
    return own_masking(masker, learned_in(state, masker), ended)
