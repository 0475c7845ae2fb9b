"""Pseudo-log-likelihood (PLL) and pseudo-perplexity (PPPL) of texts.

The PLL of a text is the sum over its tokens of the log-probability of each with it masked, in nats;
its PPPL is `exp(-PLL / N)` (Salazar et al., "Masked Language Model Scoring", 2020, arXiv
1910.14659, equations 1 and 2; of a collection, both sums run over all its tokens). PPPLs of models
with different tokenizers are not comparable, for the tokens are not the same.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tidemask.corpus.sources.decoding import read_records
from tidemask.errors import UserError
from tidemask.files.paths import CONVERT_TEXT, check_plain_file, check_utf8, given_path
from tidemask.progress import ProgressCallback, ignore
from tidemask.tasks.zero_shot.scoring import Floats, Scorer, ScoringSettings
from tidemask.tasks.zero_shot.text_tokens import Ids, TextTokens

logger = logging.getLogger(__name__)

TextUnit = Literal["line", "document"]
"""What is a text in a file: each line, or each block of lines between empty lines."""


@dataclass(frozen=True)
class TextScore:
    """The scores of a text's tokens.

    Attributes:
        token_ids: int32 [N].
        log_probabilities: float64 [N], nats.
        num_windows: windows in which the text was read; more than one if it was too long.
    """

    token_ids: Ids
    log_probabilities: Floats
    num_windows: int = 1

    @property
    def num_tokens(self) -> int:
        """Tokens of the text, special ones not counted."""
        return len(self.token_ids)

    @property
    def pll(self) -> float:
        """Pseudo-log-likelihood, nats."""
        return float(self.log_probabilities.sum())

    @property
    def pppl(self) -> float:
        """Pseudo-perplexity; infinite where it is too large for a float, NaN without a token."""
        return pseudo_perplexity([self])


def pseudo_perplexity(scores: Iterable[TextScore]) -> float:
    """PPPL of a collection: `exp` of minus the mean over all tokens; NaN without a token.

    Example:
        >>> import numpy as np
        >>> half = TextScore(np.array([7, 8], np.int32), np.log([0.5, 0.5]))
        >>> pseudo_perplexity([half])
        2.0
    """
    total, count = 0.0, 0
    for score in scores:
        total += score.pll
        count += score.num_tokens
    if not count:
        return math.nan
    try:
        return math.exp(-total / count)
    except OverflowError:
        return math.inf


def score_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    settings: ScoringSettings | None = None,
    on_progress: ProgressCallback = ignore,
) -> list[TextScore]:
    """Score each text.

    A text that is longer than the model's positions is read in consecutive windows, each without
    the others as context.

    Args:
        model: an `AutoModelForMaskedLM`, on its device.
        tokenizer: a fast one, of the model.
        texts: of any length; a text without a token has an empty score.
        settings: how tokens are masked and computed.
        on_progress: called with the stage `scoring`, the tokens scored and their number.

    Raises:
        UserError: a text is not UTF-8; the tokenizer is not fast, has no mask token or is of
            another model.
    """
    for text in texts:
        check_utf8(text, "text", CONVERT_TEXT)
    scorer = Scorer(model, tokenizer, settings)
    for note in scorer.tokenizer.frame.notes:
        logger.warning(note)
    windows = [list(text.windows(scorer.max_length)) for text in scorer.tokenizer.encode(texts)]
    flat = [window for of_text in windows for window in of_text]
    scores = iter(scorer.log_probabilities(flat, on_progress))
    return [_joined(of_text, [next(scores) for _ in of_text]) for of_text in windows]


def _joined(windows: Sequence[TextTokens], scores: Sequence[Floats]) -> TextScore:
    ids = np.concatenate([window.targets for window in windows])
    return TextScore(ids, np.concatenate(scores), len(windows))


def read_texts(path: str | Path, unit: TextUnit = "line") -> list[str]:
    """The texts of a UTF-8 file, plain or compressed; empty ones are left out.

    Args:
        path: the file.
        unit: `line`, or `document` for blocks between empty lines, whose lines are joined by
            spaces.

    Raises:
        UserError: there is no such file, it is not UTF-8, or it has no text in it.
    """
    path = given_path(path, "file")
    check_plain_file(path)
    if not path.is_file():
        raise UserError(f"no such file: {path}. Expected a text file. Check the spelling.")
    lines = [line.strip() for line in read_records(path)]
    if unit == "line":
        texts = [line for line in lines if line]
    else:
        texts = [" ".join(block) for has_text, block in groupby(lines, key=bool) if has_text]
    if not texts:
        raise UserError(f"no text: {path} has nothing but white space.")
    return texts
