"""The taggers by name. A tagger cuts texts into words and gives each a universal part of speech.

Importing this module loads none of them; `load_tagger` does, in whatever process calls it.
"""

from __future__ import annotations

from tidemask.corpus.tagging.words import Tagger
from tidemask.errors import UserError, did_you_mean

TAGGER_NAMES: tuple[str, ...] = ("none", "textblob", "spacy:NAME_OR_PATH")
"""What `load_tagger` accepts."""


def load_tagger(name: str) -> Tagger | None:
    """The tagger of that name; `None` for "none", a corpus without classes.

    Args:
        name: "none", "textblob" (embedded, English, no download) or "spacy:" followed by the name
            of an installed pipeline or by the directory of one.

    Raises:
        UserError: there is no such tagger, or its library or its pipeline is missing or unsuitable.
    """
    kind, _, pipeline = name.partition(":")
    if name == "none":
        return None
    if name == "textblob":
        from tidemask.corpus.tagging.textblob_tagger import TextBlobTagger

        return TextBlobTagger()
    if kind == "spacy" and pipeline:
        from tidemask.corpus.tagging.spacy_tagger import SpacyTagger

        return SpacyTagger(pipeline)
    hint = did_you_mean(name, ("none", "textblob", f"spacy:{pipeline or 'NAME'}"))
    raise UserError(f"unknown tagger: {name!r}. Expected one of {', '.join(TAGGER_NAMES)}.{hint}")
