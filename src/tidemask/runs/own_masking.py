"""The masks that a run's own policy draws at its end, for the loss "measured as trained"."""

from __future__ import annotations

from tidemask.run_record import RunDirectory
from tidemask.runs.config import read_run_config
from tidemask.runs.corpus_inputs import CorpusInputs, build_masker
from tidemask.tasks.held_out.maskings import Masking, own_masking
from tidemask.training.checkpoint_state import STATE_FILE, read_state


def own_masking_of(run: RunDirectory, data: CorpusInputs) -> Masking | None:
    """The final distribution of a run's policy, on the corpus that it was trained on.

    A policy that learns from losses needs those of the run's end, which its last checkpoint holds.

    Returns:
        `None` where such a policy has no last checkpoint: the run goes on, or it was deleted.

    Raises:
        UserError: the state of the last checkpoint is damaged.
    """
    config = read_run_config(run.config)
    last = config.training.num_steps
    masker = build_masker(config.recipe, config.masking, data, last)
    if not (masker.settings.uses_class_loss or masker.settings.uses_vocabulary_loss):
        return own_masking(masker, None)
    if not (run.checkpoint(last) / STATE_FILE).is_file():
        return None
    state = read_state(run.checkpoint(last))
    learned = masker.new_vocabulary_loss() or masker.new_class_loss()
    saved = state.vocabulary_loss or state.class_loss
    assert learned is not None, "a policy that learns has losses"
    assert saved is not None, "and its checkpoints keep them"
    learned.load_state_dict(saved.plain())
    return own_masking(masker, learned.value())
