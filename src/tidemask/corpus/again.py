"""A corpus made again from what its manifest says: the same text, settings and rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from importlib import metadata
from pathlib import Path

from tidemask.corpus.given_text import GivenText, for_held_out, together
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.recorded import files_by_content, recorded_sources
from tidemask.corpus.store.corpus import MANIFEST, TOKENIZER, PreparedCorpus
from tidemask.corpus.store.manifest import Manifest, read_manifest
from tidemask.corpus.store.tag_accuracy import TagAccuracy
from tidemask.errors import UserError
from tidemask.files.atomic import check_new_directory
from tidemask.files.paths import PATHS, given_path, one_or_several
from tidemask.progress.display import ProgressDisplay, displayed
from tidemask.system_errors import named_causes


@named_causes("Use fewer workers (--workers), or end other programs.")
def prepare_again(
    corpus: str | Path,
    *,
    out: str | Path,
    text: str | Path | Sequence[str | Path] = (),
    workers: int | None = None,
    engine: str = "local",
    progress: bool | ProgressDisplay = True,
) -> PreparedCorpus:
    r"""Make a prepared corpus again, from the files and by the settings that its manifest names.

    The same as `tidemask prepare --again`. The files are compared with the hashes that are recorded
    before anything is done. The same version of tidemask gives the same fingerprint; a note says so
    where it does not. Files that were moved are recorded where they are now.

    Args:
        corpus: directory of the corpus; only its manifest and its tokenizer are read.
        out: directory to be made.
        text: files, directories or globs, where the text is not where it was, or `-` for standard
            input; the files are known by their content.
        workers: processes; one per core if left out.
        engine: where they are, as for `prepare`.
        progress: whether to show progress in a terminal or notebook; or where to show it.

    Raises:
        UserError: the manifest is of an earlier version, or the text came from a program; a file
            is missing or changed; or as `prepare_corpus`.

    Example:
        >>> import tidemask
        >>> from pathlib import Path
        >>> _ = Path("fable.txt").write_text("The fox saw the grapes.\n\nA dog sat by the sea.\n")
        >>> first = tidemask.prepare(
        ...     "fable.txt", out="first", vocab_size=64, held_out=0, documents="blank-lines",
        ...     workers=1,
        ... )
        >>> again = tidemask.prepare_again("first", out="again", workers=1)
        >>> again.manifest.fingerprint == first.manifest.fingerprint
        True
    """
    root = given_path(corpus, "corpus")
    manifest = read_manifest(root / MANIFEST)
    settings = recorded_settings(manifest, root, workers, engine)
    moved = one_or_several(text, "text", PATHS, "a path, or several")
    with displayed(progress) as display:
        check_new_directory(given_path(out, "out"))
        with recorded_text(manifest, moved, settings) as found:
            made = prepare_corpus(
                found.documents,
                out=out,
                settings=found.settings,
                sources=found.sources,
                source_notes=found.notes,
                known_accuracy=_known_accuracy(manifest),
                on_progress=display.on_progress,
                on_note=display.on_note,
            )
        if made.manifest.fingerprint != manifest.fingerprint:
            display.on_note(
                f"The corpus is not the same as {root}, which tidemask "
                f"{manifest.tidemask_version} made: its fingerprint is "
                f"{made.manifest.fingerprint[:12]} and not {manifest.fingerprint[:12]}. This is "
                f"tidemask {metadata.version('tidemask')}; another version of it, of the tokenizer "
                "library or of the tagger gives other rows."
            )
    return made


def _known_accuracy(manifest: Manifest) -> dict[str, TagAccuracy]:
    """The accuracy that was measured, which a tagger of the same behaviour has without its file."""
    known = manifest.tag_accuracy
    return {} if known is None else {manifest.tagger_fingerprint: known}


def recorded_settings(
    manifest: Manifest, root: Path, workers: int | None, engine: str = "local"
) -> PrepareSettings:
    """The settings of a corpus in `root`, with its own copy of a tokenizer that was named.

    Raises:
        UserError: the manifest has none, wrong ones or those of another version; or no sources; or
            `workers` or `engine` cannot be.
    """
    if manifest.settings is None:
        raise UserError(
            f"no settings: the manifest of {root} was written by an earlier version, which did not "
            "record them. Expected a corpus of this version. Prepare the text by a command."
        )
    if not manifest.sources:
        raise UserError(
            f"no sources: the documents of {root} came from a program. Expected a corpus made from "
            "files. Run the program again."
        )
    known = {field.name for field in fields(PrepareSettings)}
    if unknown := sorted(manifest.settings.keys() - known):
        raise UserError(
            f"unknown settings: {', '.join(unknown)} in the manifest of {root}, which tidemask "
            f"{manifest.tidemask_version} wrote. Expected those of this version. Use that one."
        )
    recorded = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in manifest.settings.items()
    }
    try:
        settings = PrepareSettings(**recorded)  # type: ignore[arg-type]
    except ValueError as error:
        raise UserError(f"wrong settings in the manifest of {root}: {error}") from error
    settings = replace(settings, workers=workers, engine=engine)
    if settings.tokenizer is None:
        return settings
    # the copy has the entries that were added
    return replace(settings, tokenizer=str(root / TOKENIZER), extend_vocabulary=None)


@contextmanager
def recorded_text(
    manifest: Manifest, moved: Sequence[str | Path], settings: PrepareSettings
) -> Iterator[GivenText]:
    """The text of a corpus, to train on and to hold out, as its manifest names it.

    Args:
        manifest: of the corpus.
        moved: where its files are now, if they are elsewhere.
        settings: as `recorded_settings` gives them.

    Raises:
        UserError: a file is missing or has another content.
    """
    named = [[s for s in manifest.sources if s.held_out == held_out] for held_out in (False, True)]
    with ExitStack() as stack:
        files = files_by_content(moved, stack)
        training = recorded_sources(named[0], files, settings)
        stack.callback(training.close)
        held_out = None
        if named[1]:
            alike = for_held_out(settings)
            held_out = recorded_sources(named[1], files, alike, must_have_fields=False)
            stack.callback(held_out.close)
        yield together(training, held_out, settings)
