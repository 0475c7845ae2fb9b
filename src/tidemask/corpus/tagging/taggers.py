"""Words to token classes: what a tagger is, and the small table of those there are.

A tagger cuts texts into words and gives each a universal part of speech. Importing this module
loads none of them; `load_tagger` does, in whatever process calls it.
"""

from __future__ import annotations

import difflib

from tidemask.corpus.tagging.words import Tagger
from tidemask.errors import UserError

TAGGER_NAMES: tuple[str, ...] = ("none", "textblob", "spacy:NAME_OR_PATH")
"""What `load_tagger` accepts."""


def load_tagger(name: str) -> Tagger | None:
    """The tagger of that name; `None` for "none", a corpus without classes.

    Args:
        name: "none", "textblob" (embedded, English, no download) or "spacy:" followed by the name
            of an installed pipeline or by the directory of one.

    Raises:
        UserError: no such tagger; or its library or its pipeline is missing or of no use.
    """
    kind, separator, pipeline = name.partition(":")
    if name == "none":
        return None
    if name == "textblob":
        from tidemask.corpus.tagging.textblob_tagger import TextBlobTagger

        return TextBlobTagger()
    if kind == "spacy" and pipeline:
        from tidemask.corpus.tagging.spacy_tagger import SpacyTagger

        return SpacyTagger(pipeline)
    nearest = difflib.get_close_matches(kind if separator else name, ("none", "textblob", "spacy"))
    hint = f" Did you mean {_as_written(nearest[0])}?" if nearest else ""
    raise UserError(f"unknown tagger: {name!r}. Expected one of {', '.join(TAGGER_NAMES)}.{hint}")


def _as_written(kind: str) -> str:
    return "spacy:NAME_OR_PATH, such as spacy:en_core_web_sm" if kind == "spacy" else kind
