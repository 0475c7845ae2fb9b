"""The taggers by name. A tagger cuts texts into words and gives each a universal part of speech.

Importing this module loads none of them; `load_tagger` does, in whatever process calls it.
"""

from __future__ import annotations

from tidemask.corpus.tagging.plugin_tagger import PluginTagger, plugin_names
from tidemask.corpus.tagging.words import Tagger
from tidemask.errors import UserError, did_you_mean

TAGGER_NAMES: tuple[str, ...] = (
    "none",
    "textblob[:unchecked]",
    "nltk[:unchecked]",
    "spacy:NAME_OR_PATH",
    "stanza:LANGUAGE",
    "conllu[:upos|xpos]",
    "column[:TAG[:WORD]]",
)
"""What preparation accepts; the last two are tags that the input has (`GivenTags`)."""


def load_tagger(name: str) -> Tagger | None:
    """The tagger of that name; `None` for "none", a corpus without classes.

    Args:
        name: "none", "textblob" (embedded, English, no download), "nltk" (English), "spacy:"
            followed by the name of an installed pipeline or by the directory of one, "stanza:"
            followed by a language; or that of a tagger of another package, with its argument after
            a colon.

    Raises:
        UserError: there is no such tagger, or its library or its model is missing or unsuitable.
    """
    kind, _, argument = name.partition(":")
    if name == "none":
        return None
    if name in ("textblob", "textblob:unchecked"):
        from tidemask.corpus.tagging.textblob_tagger import TextBlobTagger

        return TextBlobTagger(name)
    if name in ("nltk", "nltk:unchecked"):
        from tidemask.corpus.tagging.nltk_tagger import NltkTagger

        return NltkTagger(name)
    if kind == "spacy" and argument:
        from tidemask.corpus.tagging.spacy_tagger import SpacyTagger

        return SpacyTagger(argument)
    if kind == "stanza" and argument:
        from tidemask.corpus.tagging.stanza_tagger import StanzaTagger

        return StanzaTagger(argument)
    plugins = plugin_names()
    if kind in plugins:
        return PluginTagger(name)
    named = (f"{one}:{argument or 'NAME'}" for one in ("spacy", "stanza"))
    hint = did_you_mean(name, ("none", "textblob", "nltk", "conllu", "column", *named, *plugins))
    raise UserError(
        f"unknown tagger: {name!r}. Expected one of {', '.join((*TAGGER_NAMES, *plugins))}.{hint}"
    )
