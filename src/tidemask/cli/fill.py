"""`tidemask fill`: the words that a model fills in for masks."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from tidemask.cli.options import JsonOption, ModelArgument
from tidemask.cli.tables import print_json, print_table
from tidemask.cli.terminal import print_note


def fill_command(
    target: ModelArgument,
    text: Annotated[
        str, typer.Argument(help='A text with one or more [MASK] in it: "The [MASK] sat."')
    ],
    top: Annotated[int, typer.Option("--top", help="Words shown for each mask.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Show the words that a model fills in for the masks of a text, with their probabilities."""
    from tidemask.evaluation.targets import newest_model
    from tidemask.tasks.zero_shot.fill import fill_masks
    from tidemask.tasks.zero_shot.masked_text import masked_text_ids
    from tidemask.tasks.zero_shot.text_tokens import is_mostly_unknown

    model = newest_model(target)
    fillings = fill_masks(model.masked_lm(), model.tokenizer, text, top=top)
    ids = masked_text_ids(model.tokenizer, text)
    if is_mostly_unknown([i for i in ids if i != model.tokenizer.mask_token_id], model.tokenizer):
        print_note(
            "Most tokens of the text are unknown to the model's tokenizer, so that the words say "
            "little."
        )
    for note in model.notes:
        print_note(note)
    several = len(fillings) > 1
    for number, candidates in enumerate(fillings, start=1):
        if as_json:
            words = [dataclasses.asdict(filling) for filling in candidates]
            print_json({"mask": number, "words": words})
            continue
        rows = [[filling.token, f"{filling.probability:.4f}"] for filling in candidates]
        print_table(["word", "probability"], rows, title=f"Mask {number}" if several else "")
