"""Scores of predicted tags: entities found whole, and words tagged right."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from tidemask.errors import missing_package
from tidemask.tasks.metrics import compute_metrics
from tidemask.tasks.tagging.sentences import OUTSIDE

_UNNAMED = "\0"
"""Stands for the type of tags without one; no file has it, for its lines are text."""

Tags = Sequence[Sequence[str]]
"""Tags, or words, of each sentence."""


def entity_scores(gold: Tags, predicted: Tags) -> dict[str, float]:
    """Precision, recall and F1 of entities, and the share of words with the right tag.

    An entity is right if its type, its first and its last word are. Counts are summed
    over all types (micro average), as `conlleval` of the CoNLL-2002 and 2003 shared tasks does, and
    as there an `I-X` that continues no entity begins one. A share of nothing is 0.

    Args:
        gold: in IOB2.
        predicted: with the same prefixes, valid IOB2 or not; as many for each sentence.

    Returns:
        `f1`, `precision`, `recall`, `accuracy`, and `f1/PER` and so on for each named type that
        occurs; fractions in [0, 1].

    References:
        Tjong Kim Sang and De Meulder, "Introduction to the CoNLL-2003 Shared Task" (2003).
        Computed by `nervaluate`, its strict scores.
    """
    try:
        from nervaluate import Evaluator
    except ImportError as error:
        raise missing_package("scoring entities", "nervaluate", extra="eval") from error
    rows = [[list(map(_with_type, tags)) for tags in side] for side in (gold, predicted)]
    types = sorted({tag[2:] for side in rows for tags in side for tag in tags if tag != OUTSIDE})
    results = Evaluator(*rows, tags=types, loader="list").evaluate()
    pairs = list(zip(_flat(gold), _flat(predicted), strict=True))
    scores = {"accuracy": sum(tag == guess for tag, guess in pairs) / len(pairs)}
    named = {"": results["overall"]}
    named |= {f"/{t}": results["entities"][t] for t in types if t != _UNNAMED}
    for ending, result in named.items():
        strict = result["strict"]
        scores[f"f1{ending}"] = float(strict.f1)
        scores[f"precision{ending}"] = float(strict.precision)
        scores[f"recall{ending}"] = float(strict.recall)
    return scores


def word_scores(
    gold: Tags, predicted: Tags, words: Tags, known_words: Collection[str]
) -> dict[str, float]:
    """Accuracy over all words and over those not seen in training, and the macro average of F1.

    Args:
        gold: tags.
        predicted: as many.
        words: the words themselves, as many.
        known_words: words of the training split, as they are spelt.

    Returns:
        `accuracy`; `f1_macro`, the mean over the tags that occur in `gold` or `predicted`;
        `accuracy/unseen` where there is such a word, a fraction in [0, 1] like the others.
    """
    flat_gold, flat_predicted = _flat(gold), _flat(predicted)
    numbers = {tag: number for number, tag in enumerate(sorted({*flat_gold, *flat_predicted}))}
    truth, guess = (
        np.array([numbers[tag] for tag in side]) for side in (flat_gold, flat_predicted)
    )
    scores = compute_metrics(("accuracy", "f1_macro"), truth, guess)
    unseen = [
        tag == guess
        for tag, guess, word in zip(flat_gold, flat_predicted, _flat(words), strict=True)
        if word not in known_words
    ]
    if unseen:
        scores["accuracy/unseen"] = sum(unseen) / len(unseen)
    return scores


def _with_type(tag: str) -> str:
    """`B` and `I` alone as tags of a type, which `nervaluate` asks for."""
    return tag if tag == OUTSIDE or "-" in tag else f"{tag}-{_UNNAMED}"


def _flat(side: Tags) -> list[str]:
    return [tag for sentence in side for tag in sentence]
