"""The demonstration's text as a prepared corpus."""

from __future__ import annotations

from pathlib import Path

from tidemask.corpus.demo_text.documents import demo_documents
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.progress import ProgressCallback, ignore

_SETTINGS = PrepareSettings(
    vocab_size=2048,
    lowercase=True,
    sequence_length=64,
    held_out=0,  # the documents say it themselves
    deduplicate="none",
    words="tokenizer",
)
"""For so little text and so small a model: few entries, each seen often, and short rows."""


def prepare_demo_text(corpus: Path, on_progress: ProgressCallback = ignore) -> None:
    """Prepare the text, unless it is there.

    Args:
        corpus: directory to be made.
        on_progress: called with the stages.

    Raises:
        UserError: the corpus cannot be written.
    """
    if corpus.exists():
        return
    documents = demo_documents(on_progress)
    prepare_corpus(lambda: iter(documents), out=corpus, settings=_SETTINGS, on_progress=on_progress)
