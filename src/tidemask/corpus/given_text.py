"""The text that `prepare` is given, to train on and to hold out, as one stream of documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import TextSource
from tidemask.corpus.sources.mixture import Mixture, find_text
from tidemask.corpus.sources.text_sources import TextSources
from tidemask.corpus.splitting.given_held_out import GivenHeldOut
from tidemask.corpus.splitting.plan import Documents
from tidemask.files.paths import PATHS, one_or_several

Patterns = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class GivenText:
    """Documents, and what a corpus says of them.

    Attributes:
        documents: streams them; those that are held out by name come first.
        settings: with what separates documents where that was left to the files.
        sources: the files and data sets.
        notes: what a user should know of them; more after a pass.
    """

    documents: Documents
    settings: PrepareSettings
    sources: tuple[TextSource, ...]
    notes: Callable[[], list[str]]


@contextmanager
def given_text(
    text: Patterns, held_out_text: Patterns | None, settings: PrepareSettings
) -> Iterator[GivenText]:
    """Find the text, and forget at the end what came from standard input.

    What separates the documents of the text to train on separates those of held-out text, too.

    Raises:
        UserError: as `find_text`.
    """
    patterns = one_or_several(text, "text", PATHS, "a path, or several")
    with ExitStack() as stack:
        training = find_text(patterns, settings)
        stack.callback(training.close)
        found = replace(settings, documents=training.documents)
        held_out = None
        if held_out_text is not None:
            patterns = one_or_several(held_out_text, "held_out_text", PATHS, "a path, or several")
            alike = for_held_out(found)
            held_out = find_text(patterns, alike, must_have_fields=False)
            stack.callback(held_out.close)
        yield together(training, held_out, found)


def for_held_out(settings: PrepareSettings) -> PrepareSettings:
    """The settings of held-out text, for those of the text to train on.

    Where that has records alone, what separates documents of held-out text is found out.
    """
    return replace(settings, documents="auto") if settings.documents == "row" else settings


def together(
    training: TextSources | Mixture,
    held_out: TextSources | Mixture | None,
    settings: PrepareSettings,
) -> GivenText:
    """The text to train on, with or without a text to hold out.

    Raises:
        UserError: a file cannot be read.
    """
    sources = training.sources()
    if held_out is None:
        return GivenText(training, settings, sources, training.notes)
    return GivenText(
        GivenHeldOut(training, held_out),
        settings,
        (*sources, *(replace(source, held_out=True) for source in held_out.sources())),
        lambda: [*training.notes(), *held_out.notes()],
    )
