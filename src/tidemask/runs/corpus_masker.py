"""The masker of a policy on a corpus: with its classes, its counts and its listed weights."""

from __future__ import annotations

from tidemask.errors import UserError
from tidemask.masking.masker import Masker
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.weighting import ByEntries, ByFrequency
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.entry_weights import ListedWeights, coverage_note, listed_weights


def build_masker(
    recipe: str, masking: MaskingSettings, data: CorpusInputs, max_steps: int
) -> Masker:
    """The masker of a policy on a corpus.

    Raises:
        UserError: the policy needs classes that the corpus does not have, a column of another kind,
            or a function; or a file of weights, as `listed_weights`.
    """
    entry_weights = {name: listed.table for name, listed in _listed(masking, data).items()}
    reads_counts = any(isinstance(content, ByFrequency) for content in masking.contents)
    try:
        return Masker(
            masking,
            data.vocabulary,
            class_names=data.corpus.manifest.class_names,
            columns=[column.manifest.column for column in data.columns],
            max_steps=max_steps,
            token_counts=data.training_counts if reads_counts else None,
            entry_weights=entry_weights,
        )
    except ValueError as error:
        raise UserError(
            f"recipe {recipe} does not fit the corpus {data.corpus.root}: {error}"
        ) from error


def _listed(masking: MaskingSettings, data: CorpusInputs) -> dict[str, ListedWeights]:
    """What the files of weights have that a policy names, by their names."""
    ids = data.tokenizer.get_vocab()
    return {
        content.weights: listed_weights(content, ids, data.vocabulary.size)
        for content in masking.contents
        if isinstance(content, ByEntries)
    }


def coverage_notes(masking: MaskingSettings, data: CorpusInputs) -> list[str]:
    """For how much of the vocabulary and the training text a policy's files have weights."""
    listed = _listed(masking, data).values()
    return [coverage_note(each, data.training_counts) for each in listed]
