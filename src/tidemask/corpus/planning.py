"""The first passes over documents: the split of each, and the tokenizer that encodes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, pairwise
from pathlib import Path

from tidemask.corpus.long_documents import part_ends
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.splitting.few_documents import Passages
from tidemask.corpus.splitting.plan import Documents, Split, SplitPlan, counted
from tidemask.corpus.splitting.survey import AUTO_MIN_UNITS, Survey, surveyed
from tidemask.corpus.tokenizing.extension import extended
from tidemask.corpus.tokenizing.letter_case import case_note
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.tokenizing.training import tokenizer_trainer
from tidemask.corpus.tokenizing.wanted_entries import wanted_entries
from tidemask.progress import ProgressCallback, reported

READING, COUNTING, LEARNING, EXTENDING = (
    "reading text", "counting letters", "training tokenizer", "extending vocabulary",
)  # fmt: skip
"""Names of these stages for the progress callback; each counts documents. The last is given in
several passes."""

_NEAR_THE_SHARE = 0.1
"""Deviation from the held-out share, as a share of it, that is remarked on above."""


def planned_split(
    documents: Documents, settings: PrepareSettings, directory: Path, on_progress: ProgressCallback
) -> tuple[Documents, SplitPlan, list[str]]:
    """The documents, or the passages of a single one; the split of each; and notes.

    Args:
        documents: as for `prepare_corpus`.
        settings: of the split and of copies.
        directory: where files without names may be meanwhile.
        on_progress: called with documents.

    Raises:
        UserError: a split would be empty; a text has a lone surrogate.
    """

    def plan_of(stream: Documents) -> SplitPlan:
        survey = Survey(
            directory,
            held_out=settings.held_out,
            deduplicate=settings.deduplicate,
            threshold=settings.duplicate_threshold,
            unit=settings.duplicate_unit,
        )
        return surveyed(reported(stream(), on_progress, READING, None), survey)

    notes: list[str] = []
    plan = plan_of(documents)
    if settings.held_out and plan.num_kept == 1:
        of_passages = plan_of(passages := Passages(documents))
        if of_passages.num_kept > 1:
            documents, plan = passages, of_passages
            notes.append(
                f"The text is a single document. It was cut into {plan.num_kept} passages, which "
                "are the documents of this corpus, so that some can be held out."
            )
    plan.check(settings.held_out)
    return documents, plan, [*notes, *_notes_on_split(plan, settings)]


def _notes_on_split(plan: SplitPlan, settings: PrepareSettings) -> Iterator[str]:
    share, found = settings.held_out, plan.held_out_words
    if share and abs(found - share) > _NEAR_THE_SHARE * share:
        yield (
            f"{found:.1%} of the words are held out instead of {share:.1%}: no choice among the "
            f"{plan.num_kept} documents comes nearer."
        )
    if number := plan.count(Split.HELD_OUT_COPY):
        yield (
            f"Texts that are held out were in the training text, too, which lost "
            f"{counted(number, 'document', 'documents')} for that."
        )
    if settings.deduplicate == "auto":
        yield (
            f"Near copies were looked for among the texts of {AUTO_MIN_UNITS} words or more "
            f"(deduplicate=auto), of which dropped: {plan.count(Split.NEAR_COPY):,}."
        )


def planned_tokenizer(
    named: CorpusTokenizer | None,
    documents: Documents,
    plan: SplitPlan,
    settings: PrepareSettings,
    on_progress: ProgressCallback,
) -> tuple[CorpusTokenizer, list[str]]:
    """The tokenizer that is named, or one trained on the training split; and notes."""
    if named is not None:
        case = case_note(named.tokenizer, str(settings.tokenizer))
        notes = [*named.frame.notes, *([case] if case else [])]
        if settings.extend_vocabulary is None:
            return named, notes
        wanted = wanted_entries(settings.extend_vocabulary)

        def to_extend() -> Iterator[str]:
            of_split = plan.training_texts(documents())
            return _parts(reported(of_split, on_progress, EXTENDING, plan.num_training_texts))

        place = f"{settings.tokenizer} by {settings.extend_vocabulary}"
        extension = extended(named, to_extend, wanted, place)
        return extension.tokenizer, [*notes, extension.note]
    trainer = tokenizer_trainer(
        settings.tokenizer_kind,
        vocab_size=settings.vocab_size,
        normalization=settings.text_normalization,
    )

    passes = count(1)

    def texts() -> Iterator[str]:
        of_split = plan.training_texts(documents())
        stage = LEARNING if next(passes) == trainer.num_passes else COUNTING
        return _parts(reported(of_split, on_progress, stage, plan.num_training_texts))

    trained = trainer.train(texts)
    return trained, [*filter(None, [_size_note(trained.vocab_size, settings.vocab_size)])]


_MUCH_SMALLER = 0.9
"""Share of the entries that were asked for, below which a vocabulary is remarked on."""


def _size_note(size: int, asked: int) -> str | None:
    if size >= _MUCH_SMALLER * asked:
        return None
    return (
        f"The tokenizer has {size:,} entries where {asked:,} were asked for (--vocab-size): there "
        "is too little text for more."
    )


def _parts(texts: Iterable[str]) -> Iterator[str]:
    """The texts, long ones in parts, which have the same tokens."""
    for text in texts:
        for begin, end in pairwise([0, *part_ends(text)]):
            yield text[begin:end]
