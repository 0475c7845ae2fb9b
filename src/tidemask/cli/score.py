"""`tidemask score`: the pseudo-log-likelihood that a model gives to texts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tidemask.cli.options import JsonOption, ModelArgument
from tidemask.cli.tables import print_json, print_table
from tidemask.cli.terminal import print_line, print_note, progress_display
from tidemask.errors import UserError

if TYPE_CHECKING:
    from tidemask.tasks.model_under_test import ModelUnderTest
    from tidemask.tasks.zero_shot.pll import TextScore

_LONGEST_SHOWN = 48


def score_command(
    target: ModelArgument,
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts to score.", show_default=False)
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--file", metavar="PATH", help="A file of texts, plain or compressed."),
    ] = None,
    unit: Annotated[
        Literal["line", "document"],
        typer.Option("--unit", help="A text is a line, or a document between empty lines."),
    ] = "line",
    variant: Annotated[
        Literal["original", "within_word_l2r"],
        typer.Option(
            "--variant", help="within_word_l2r masks the rest of a token's word together with it."
        ),
    ] = "original",
    precision: Annotated[
        Literal["auto", "float32", "bf16"],
        typer.Option(
            "--precision", help="Precision of the encoder; auto is bf16 where the hardware has it."
        ),
    ] = "auto",
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Show the log-probability of each token, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Score texts by pseudo-log-likelihood: each token in turn, masked alone."""
    from tidemask.evaluation.targets import newest_model
    from tidemask.modeling.precision import emulation_note
    from tidemask.tasks.zero_shot.pll import read_texts, score_texts
    from tidemask.tasks.zero_shot.scoring import ScoringSettings

    given = list(texts or [])
    if file is not None:
        given += read_texts(file, unit)
    if not given:
        raise UserError("no text to score. Give texts, or a file of them with --file.")
    scored = newest_model(target)
    model, tokenizer = scored.masked_lm(), scored.tokenizer
    for note in scored.notes:
        print_note(note)
    settings = ScoringSettings(variant=variant, precision=precision)
    with progress_display() as display:
        if slow := emulation_note("--precision", precision, model.device.type):
            display.on_note(slow)
        scores = score_texts(model, tokenizer, given, settings, display.on_progress)
    if not any(score.num_tokens for score in scores):
        raise UserError(
            f"no token to score: the tokenizer of the model finds none in {_short(given[0])!r}. "
            "Give a text with words."
        )
    for sentence in _notes(given, scores, scored):
        print_note(sentence)
    if as_json:
        for text, one in zip(given, scores, strict=True):
            print_json({"text": text, **_fields(one, scored if tokens else None)})
        return
    if tokens:
        _show_tokens(scored, scores)
    _show_texts(given, scores)


def _notes(
    texts: Sequence[str], scores: Sequence[TextScore], model: ModelUnderTest
) -> Iterator[str]:
    """What a reader should know of the scores: texts without tokens, and those mostly unknown."""
    from tidemask.tasks.zero_shot.text_tokens import is_mostly_unknown

    empty = [text for text, score in zip(texts, scores, strict=True) if not score.num_tokens]
    unknown = [
        text
        for text, score in zip(texts, scores, strict=True)
        if is_mostly_unknown(score.token_ids, model.tokenizer)
    ]
    for found, what in (
        (empty, "no token, and so no perplexity"),
        (
            unknown,
            "mostly unknown tokens, so that their scores say little of the model",
        ),
    ):
        if found:
            first = _short(found[0])
            yield f"{len(found)} of {len(texts)} texts have {what}; the first is {first!r}."


def _fields(score: TextScore, model: ModelUnderTest | None) -> Mapping[str, Any]:
    """A score in JSON; with a model, whose tokenizer reads them, that of each token, too."""
    fields: dict[str, Any] = {
        "num_tokens": score.num_tokens,
        "num_windows": score.num_windows,
        "pll": score.pll,
        "pppl": score.pppl if math.isfinite(score.pppl) else None,
    }
    if model is not None:
        fields["tokens"] = model.tokenizer.convert_ids_to_tokens(score.token_ids.tolist())
        fields["log_probabilities"] = score.log_probabilities.tolist()
    return fields


def _show_texts(texts: Sequence[str], scores: Sequence[TextScore]) -> None:
    from tidemask.tasks.zero_shot.pll import pseudo_perplexity

    rows = [
        [_short(text), f"{score.num_tokens:,}", f"{score.pll:,.3f}", _perplexity(score.pppl)]
        for text, score in zip(texts, scores, strict=True)
    ]
    if len(rows) > 1:
        total = sum(score.num_tokens for score in scores), sum(score.pll for score in scores)
        together = f"{pseudo_perplexity(scores):,.2f}"
        rows.append(["all together", f"{total[0]:,}", f"{total[1]:,.3f}", together])
    print_table(["text", "tokens", "PLL", "PPPL"], rows, title="Pseudo-log-likelihood, nats")
    cut = [score for score in scores if score.num_windows > 1]
    if cut:
        print_line(
            f"{len(cut)} of {len(scores)} texts are longer than the model, and were read in "
            f"{sum(score.num_windows for score in cut)} windows."
        )


def _perplexity(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:,.2f}"


def _show_tokens(model: ModelUnderTest, scores: Sequence[TextScore]) -> None:
    for score in scores:
        tokens = model.tokenizer.convert_ids_to_tokens(score.token_ids.tolist())
        rows = [
            [str(token), f"{value:.3f}"]
            for token, value in zip(tokens, score.log_probabilities, strict=True)
        ]
        print_table(["token", "log-probability"], rows)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
