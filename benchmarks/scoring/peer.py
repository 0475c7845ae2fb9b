"""minicons 0.3.39, where it is installed: the library whose definitions of scores tidemask has.

It calls `batch_encode_plus`, which tokenizers of transformers 5 do not have; calling them does the
same. Nothing else of it is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerFast


def import_minicons() -> Any:
    """Its module `scorer`; `None` where it is not installed."""
    try:
        from minicons import scorer
    except ImportError:
        return None
    return scorer


class MiniconsScorer:
    """minicons with a model, scoring a number of sentences at a time."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
        if not hasattr(tokenizer, "batch_encode_plus"):
            tokenizer.batch_encode_plus = tokenizer.__call__
        self._scorer = import_minicons().MaskedLMScorer(model, "cpu", tokenizer=tokenizer)

    def plls(self, sentences: Sequence[str], variant: str, at_once: int) -> list[float]:
        """PLL of each sentence, nats: the sum of its tokens' scores."""
        found: list[float] = []
        for begin in range(0, len(sentences), at_once):
            found += self._scorer.sequence_score(
                list(sentences[begin : begin + at_once]),
                reduction=lambda scores: scores.sum(0).item(),
                PLL_metric=variant,
            )
        return found
