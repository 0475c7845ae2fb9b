"""Whether a tokenizer lowers the capitals that its vocabulary has.

A cased model with `vocab.txt` alone, as BioBERT was published, gets a tokenizer that lower-cases by
default: a third of the vocabulary is never used then, and no error says so.
"""

from __future__ import annotations

import re
from typing import Any

_MIN_SHARE = 0.01
"""Share of the entries with capitals that a vocabulary made of lower-cased text does not have."""

_CAPITAL_WORD = re.compile(r"[A-Z][A-Za-z]|[a-z][A-Z]")
"""Two letters of which one is a capital; in byte-level spellings one alone may stand for a byte."""


def case_note(tokenizer: Any, place: str) -> str | None:
    """A sentence on a cased vocabulary under a tokenizer that lower-cases; `None` if it is not so.

    Args:
        tokenizer: a fast one of transformers.
        place: where it is from, for the sentence.
    """
    normalizer = tokenizer.backend_tokenizer.normalizer
    if normalizer is None or normalizer.normalize_str("Ab") != "ab":
        return None
    added = tokenizer.get_added_vocab()
    entries = tokenizer.get_vocab().keys() - added.keys()
    cased = [entry for entry in entries if _CAPITAL_WORD.search(entry)]
    cased = [entry for entry in cased if not re.fullmatch(r"[\[<].*[\]>]", entry)]
    if len(cased) <= _MIN_SHARE * len(entries):
        return None
    return (
        f"{place} lower-cases text, and {len(cased):,} of the {len(entries):,} entries of its "
        f"vocabulary have capitals ({min(cased, key=lambda entry: (len(entry) < 4, entry))}, say), "
        "which are never used so. If its model is a cased one, set do_lower_case to false in its "
        "tokenizer_config.json."
    )
