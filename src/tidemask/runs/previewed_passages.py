"""The passages of a preview: tokens of real text with what a policy does to them, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tidemask.corpus.tokenizing.shown_entries import shown_entry
from tidemask.masking.batch import Batch, MaskedBatch
from tidemask.masking.explanation import ExplainedSequence, explained
from tidemask.masking.masker import Masker
from tidemask.masking.part import AtStep
from tidemask.masking.units import starts_of_words
from tidemask.report.previewed import PreviewPassage, PreviewToken
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.parts_in_words import (
    has_parts,
    part_in_words,
    unit_in_words,
    weightings_in_words,
)
from tidemask.token_classes import NO_CLASS

_WITHOUT_SPACES = re.compile("[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]")
"""Characters of Chinese and Japanese, and their punctuation: no spaces stand between words."""


def passages_of(
    masker: Masker,
    batch: Batch,
    at: AtStep,
    ratio: float | None,
    ids: Sequence[int],
    data: CorpusInputs,
) -> list[PreviewPassage]:
    """What a policy does to some sequences at a step.

    Args:
        masker: of the policy.
        batch: the sequences.
        at: the step, with what was learned until then.
        ratio: of the step, where it follows measurements.
        ids: number of each sequence.
        data: the corpus.
    """
    masked = masker(batch, **vars(at), ratio=ratio)
    found = explained(masker, batch, at, ratio)
    starts, _ = starts_of_words(batch)
    passages = []
    for row, explanation in enumerate(found):
        part = masker.settings.parts[explanation.part]
        weightings = weightings_in_words(part.content, at.progress)
        drawn = row, explanation, bool(weightings)
        passages.append(
            PreviewPassage(
                sequence=ids[row],
                ratio=explanation.ratio,
                part=part_in_words(part, at.progress) if has_parts(masker.settings) else "",
                weightings=weightings,
                unit=unit_in_words(part.unit),
                tokens=_tokens(drawn, masked, batch, starts[row].tolist(), masker, data),
            )
        )
    return passages


def _tokens(
    drawn: tuple[int, ExplainedSequence, bool],
    masked: MaskedBatch,
    batch: Batch,
    starts: Sequence[int],
    masker: Masker,
    data: CorpusInputs,
) -> list[PreviewToken]:
    """The tokens of text of one sequence: of a row, drawn as explained, maybe by a mixture."""
    row, explanation, is_mixture = drawn
    inclusion, names = explanation.inclusion, masker.class_names
    classes = None if masked.token_class is None else masked.token_class[row].tolist()
    tokens: list[PreviewToken] = []
    for position, original in enumerate(batch.input_ids[row].tolist()):
        if not masked.maskable[row, position] and original != data.tokenizer.unk_token_id:
            continue
        was = _readable(shown_entry(data.tokenizer, original))
        now = int(masked.input_ids[row, position])
        starts_word = starts[position] == position
        number = NO_CLASS if classes is None else classes[position]
        due_to = int(explanation.due_to[position])
        tokens.append(
            PreviewToken(
                text=_readable(shown_entry(data.tokenizer, now)),
                state=_state(masked, row, position, original, data.vocabulary.mask_id),
                original=was,
                starts_word=starts_word,
                is_spaced=starts_word and not _are_joined(tokens, was),
                unit=int(explanation.unit[position]),
                class_name=names[number] if number < len(names) else None,
                weight=float(explanation.weight[position]),
                inclusion=None if inclusion is None else float(inclusion[position]),
                due_to=due_to if is_mixture and due_to >= 0 else None,
            )
        )
    return tokens


def _state(masked: MaskedBatch, row: int, position: int, original: int, mask_id: int) -> str:
    if not masked.corrupted[row, position]:
        return "visible"
    if not masked.selected[row, position]:
        return "hidden"
    now = int(masked.input_ids[row, position])
    if now == mask_id:
        return "mask"
    return "kept" if now == original else "random"


def _are_joined(before: Sequence[PreviewToken], text: str) -> bool:
    """Whether no space stands before a word: at the beginning, and in Chinese and Japanese."""
    if not before or not before[-1].original or not text:
        return not before
    return all(map(_WITHOUT_SPACES.match, (before[-1].original[-1], text[0])))


def _readable(text: str) -> str:
    for marker in ("##", "Ġ", "▁"):
        text = text.removeprefix(marker)
    return text
