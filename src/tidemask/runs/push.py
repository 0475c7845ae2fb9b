"""A model of a run to the hub, where others load it by its name."""

from __future__ import annotations

from pathlib import Path

from tidemask.errors import UserError
from tidemask.files.paths import check_utf8, given_path, named
from tidemask.progress import NoteCallback, ignore
from tidemask.run_record import RunDirectory
from tidemask.runs.hub_upload import upload
from tidemask.runs.pushed_files import CARD, card_of, pushed_files
from tidemask.settings import check_integer, shown
from tidemask.system_errors import named_causes


@named_causes("End other programs.")
def push(
    run: str | Path | RunDirectory,
    *,
    to: str | None = None,
    private: bool = False,
    checkpoint: int | None = None,
    on_note: NoteCallback = ignore,
) -> str:
    """Upload a model of a run to the Hugging Face hub.

    The same as `tidemask push`. What is uploaded is `model/` of the run as it is, with the card,
    and a folder `run` with the configuration and the metrics. It is one commit: an interrupted
    upload changes nothing there. The token is that of `hf auth login` or HF_TOKEN.

    Args:
        run: a run directory; a finished one, if no checkpoint is named.
        to: owner and name on the hub, `USER/NAME`; the token's user and the name of the run
            directory if left out.
        private: whether a new repository is private; one that is there and public is refused.
        checkpoint: optimizer steps of the checkpoint that is uploaded in place of the final model;
            its card says so.
        on_note: called with sentences that a user should know.

    Returns:
        The address of the model.

    Raises:
        UserError: this is not a run, the model is not there or was changed, there is no token, or
            the hub refuses or cannot be reached.

    Example:
        >>> import tidemask
        >>> tiny = ["model.size=bert-tiny", "training.max_steps=2", "training.micro_batch_size=4"]
        >>> run = tidemask.pretrain("corpus", out="run", overrides=tiny)
        >>> tidemask.push("run", to="tides/bert-tiny")  # doctest: +SKIP
        'https://huggingface.co/tides/bert-tiny'
    """
    directory = run if isinstance(run, RunDirectory) else RunDirectory(given_path(run, "run"))
    if to is not None and not isinstance(to, str):
        raise UserError(f"not a name on the hub: to={shown(to)}. Expected USER/NAME.")
    if to is not None:
        check_utf8(to, "--to", "Use letters, digits, `-`, `_` and `.`.")
    if checkpoint is not None:
        checkpoint = check_integer("checkpoint", checkpoint, minimum=0)
    files = pushed_files(directory, checkpoint)
    card = card_of(files)
    name = named(directory.root).name
    message = f"{name} by tidemask" + ("" if checkpoint is None else f", checkpoint {checkpoint}")
    done = upload(files, to=to, name=name, private=private, message=message, on_note=on_note)
    if not done.is_changed:
        on_note("The hub has all of it already; nothing was changed there.")
    if not getattr(card.data, "license", None):
        where = "README.md on its page" if checkpoint is not None else str(directory.model / CARD)
        on_note(
            f"The card names no license. To choose one, add a line such as `license: apache-2.0` "
            f"between the lines `---` of {where}"
            + ("." if checkpoint is not None else ", and push again.")
        )
    return done.address
