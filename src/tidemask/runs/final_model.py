"""The final model of a run: saved whole, with its tokenizer and its card."""

from __future__ import annotations

import shutil

from tidemask.errors import UserError, command_line
from tidemask.files.atomic import follow_umask, sync_tree
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.run_record import RunDirectory
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.in_run_evaluation import InRunEvaluation
from tidemask.runs.model_card import model_card
from tidemask.system_errors import refusal_of_writing
from tidemask.training.distributed import on_first_rank


def save_final_model(
    run: RunDirectory, final: SelectedPositionsLM, data: CorpusInputs, evaluation: InRunEvaluation
) -> None:
    """Save the model of the last checkpoint, with its tokenizer and its card.

    Raises:
        UserError: it could not be written; nothing of it is left.
    """
    staged = run.root / ".model.tmp"

    def save() -> None:
        shutil.rmtree(staged, ignore_errors=True)
        try:
            final.language_model.save_pretrained(staged)
            data.tokenizer.save_pretrained(staged)
            evaluation.final_model_is(staged)
            token = str(data.tokenizer.mask_token)
            card = model_card(run, data.corpus.manifest, mask_token=token)
            (staged / "README.md").write_text(card, encoding="utf-8")
            follow_umask(staged)
            sync_tree(staged)
            staged.rename(run.model)
        except Exception as error:  # each library has its own for a full disk
            refused = refusal_of_writing(error, staged, run.model)
            shutil.rmtree(staged, ignore_errors=True)
            if refused is None:
                raise
            raise UserError(
                f"final model not saved: {refused}, then continue with "
                f"`{command_line('resume', run.root)}`."
            ) from error

    on_first_rank(save)
