"""spaCy's pipelines: loaded by name or directory, without the components that are not needed."""

from __future__ import annotations

import hashlib
from collections.abc import Set
from pathlib import Path
from types import ModuleType
from typing import Any

from tidemask.errors import UserError, missing_package, one_line
from tidemask.files.paths import check_plain_files
from tidemask.reading import ANY_LENGTH, read_bytes

BATCH_TEXTS = 64
"""Texts per batch of `nlp.pipe`: documents of a few thousand words each stay within memory."""


def import_spacy(user: str) -> ModuleType:
    """spaCy, which is imported here alone.

    Args:
        user: what needs it, as a message names it, such as `tagger=spacy:en_core_web_sm`.

    Raises:
        UserError: it is not installed.
    """
    try:
        import spacy
    except ImportError as error:
        raise missing_package(user, "spaCy", extra="spacy") from error
    return spacy  # type: ignore[no-any-return, unused-ignore]  # spaCy may be absent


def load_pipeline(
    spacy: ModuleType, pipeline: str, user: str, *, unneeded: Set[str]
) -> Any:  # spaCy's Language, if installed
    """A pipeline without some of its components; it takes texts of any length.

    Args:
        spacy: the package.
        pipeline: name of an installed pipeline, or the directory of one.
        user: what needs it, as a message names it.
        unneeded: factories of the components that do not run.

    Raises:
        UserError: there is no such pipeline, or spaCy cannot load it.
    """
    check_plain_files(Path(pipeline))
    try:
        nlp = spacy.load(pipeline)
    except OSError as error:
        installed = ", ".join(spacy.util.get_installed_models()) or "none"
        raise UserError(
            f"no such spaCy pipeline: {user} is neither an installed pipeline nor a directory of "
            f"one. Installed: {installed}. Check the name or the path."
        ) from error
    except (ValueError, ImportError) as error:
        raise UserError(f"spaCy cannot load its pipeline: {user}: {one_line(error)}") from error
    disabled = [name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory in unneeded]
    nlp.select_pipes(disable=disabled)
    # The limit guards the memory of parser and entity recogniser: where these run, whoever runs
    # them cuts texts into parts.
    nlp.max_length = 1_000_000_000
    return nlp


def pipeline_fingerprint(spacy: ModuleType, nlp: Any, pipeline: str) -> str:
    """Names what a pipeline does: its version, and that of spaCy.

    Args:
        spacy: the package.
        nlp: the pipeline.
        pipeline: what it was loaded as.
    """
    meta = nlp.meta
    named = f"spacy {spacy.__version__}, {meta['lang']}_{meta['name']} {meta['version']}"
    directory = Path(pipeline)
    files = [directory / name for name in ("meta.json", "config.cfg")]
    present = [file for file in files if file.is_file()]
    if not present:
        return named
    digest = hashlib.sha256(
        b"".join(read_bytes(file, ANY_LENGTH, "damaged pipeline") for file in present)
    ).hexdigest()
    return f"{named}, directory {digest[:16]}"
