"""The lexicon of the embedded tagger, read when this module is imported, for all who are forked.

Only the process that workers are forked from imports it (`encoding_workers.py`): they share its
pages then, about 190 MB, in place of reading a lexicon each. Nothing else should.
"""

from __future__ import annotations

import gc

from tidemask.corpus.tagging.textblob_tagger import load_parser

PARSER = load_parser()
"""TextBlob's English parser; kept so that its lexicon stays."""

gc.freeze()  # a search for garbage in a worker would write to every page
