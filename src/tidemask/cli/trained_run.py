"""What `tidemask pretrain` and `tidemask resume` show at their end."""

from __future__ import annotations

from tidemask.cli.held_out_table import show_start_and_final
from tidemask.cli.terminal import print_line
from tidemask.processes import is_first_rank
from tidemask.run_record import RunDirectory


def show_trained_run(run: RunDirectory) -> None:
    """Print held-out losses and the place of the model, once."""
    if is_first_rank():
        show_start_and_final(run)
        print_line(f"Model: {run.model}")
