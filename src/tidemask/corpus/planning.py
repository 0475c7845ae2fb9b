"""The first passes over documents: the split of each, and the tokenizer that encodes them."""

from __future__ import annotations

from collections.abc import Iterator

from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.few_documents import for_few_documents
from tidemask.corpus.sources.splitting import Documents, Split, SplitPlan, plan_split
from tidemask.corpus.tokenizing.letter_case import case_note
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.tokenizing.wordpiece import WordPieceTrainer
from tidemask.progress import ProgressCallback, reported

READING, LEARNING = "reading text", "training tokenizer"
"""Names of these stages for the progress callback; each counts documents."""


def planned_corpus(
    documents: Documents, settings: PrepareSettings, on_progress: ProgressCallback
) -> tuple[Documents, SplitPlan, CorpusTokenizer, list[str]]:
    """The documents, or the passages of a single one; the split of each; a tokenizer; and notes.

    The tokenizer is the one that is named, or trained on the training split: its letters are
    counted in the pass that decides about the documents.
    """
    loaded = None if settings.tokenizer is None else load_tokenizer(settings.tokenizer)
    trainer = WordPieceTrainer(vocab_size=settings.vocab_size, lowercase=settings.lowercase)
    splits = bytearray()
    stream = reported(documents(), on_progress, READING, None)
    for text, split in plan_split(stream, settings.held_out):
        splits.append(split)
        if loaded is None and split is Split.TRAIN:
            trainer.count_letters(text)
    planned = SplitPlan(bytes(splits))
    documents, plan, notes = for_few_documents(documents, planned, settings.held_out)
    plan.check(settings.held_out)
    if loaded is not None:
        case = case_note(loaded.tokenizer, str(settings.tokenizer))
        return documents, plan, loaded, [*notes, *loaded.frame.notes, *([case] if case else [])]
    if plan is not planned:
        trainer = WordPieceTrainer(vocab_size=settings.vocab_size, lowercase=settings.lowercase)
        for text in _training_texts(documents, plan):
            trainer.count_letters(text)
    texts = _training_texts(documents, plan)
    tokenizer = trainer.train(reported(texts, on_progress, LEARNING, plan.count(Split.TRAIN)))
    return documents, plan, tokenizer, notes


def _training_texts(documents: Documents, plan: SplitPlan) -> Iterator[str]:
    return (text for text, split in plan.kept(documents()) if split is Split.TRAIN)
