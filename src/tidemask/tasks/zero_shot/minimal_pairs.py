"""Minimal pairs: how often the acceptable sentence of two is the more probable one.

A pair is right if the pseudo-log-likelihood of the acceptable sentence is the larger one (Warstadt
et al., "BLiMP: The Benchmark of Linguistic Minimal Pairs for English", 2020, arXiv 1912.00582;
for masked language models Salazar et al. 2020, arXiv 1910.14659, section 4.3). Sums over tokens are
compared, not means. A tie is wrong, as in BLiMP.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tidemask.modeling.precision import emulation_note, resolved_precision, usual_device
from tidemask.progress import ProgressCallback, ignore
from tidemask.run_record.kept_arrays import compact
from tidemask.run_record.predictions import PairPredictions, of_split
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.task import Measured
from tidemask.tasks.zero_shot.pair_files import (
    Pair,
    are_quoted,
    fingerprint_of_pairs,
    notes_on_tables,
    pair_files,
    read_pairs,
)
from tidemask.tasks.zero_shot.scoring import Floats, Scorer, ScoringSettings
from tidemask.tasks.zero_shot.text_tokens import is_mostly_unknown


@dataclass(frozen=True)
class PairScores:
    """The scores of some pairs.

    Attributes:
        pairs: the pairs that were scored.
        good: PLL of each acceptable sentence, nats, float64 [P].
        bad: PLL of each other sentence, nats, float64 [P].
        is_alike: whether the tokenizer gave both sentences the same tokens, bool [P].
        is_cut: whether a sentence was longer than the model and its end was cut off, bool [P].
        is_unknown: whether most tokens of a sentence are the unknown token, bool [P].
        is_empty: whether a sentence has no token that is scored, so that its PLL, 0, is above any
            other, bool [P].
    """

    pairs: Sequence[Pair]
    good: Floats
    bad: Floats
    is_alike: NDArray[np.bool_]
    is_cut: NDArray[np.bool_]
    is_unknown: NDArray[np.bool_]
    is_empty: NDArray[np.bool_]

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether each acceptable sentence is the more probable one, bool [P]."""
        return (self.good > self.bad) & ~self.is_alike & ~self.is_empty

    def metrics(self) -> dict[str, float]:
        """Accuracies, as fractions, with standard errors from the binomial distribution.

        Returns:
            `accuracy` is the mean over paradigms (macro average), as BLiMP reports it;
            `micro_accuracy` is the mean over all pairs; `paradigm/NAME` that over one paradigm;
            `phenomenon/NAME` and `field/NAME` are means over their paradigms. Each has a
            `_standard_error`. `num_pairs` and `num_ties` are counts.
        """
        paradigms = {name: self.is_right[rows] for name, rows in self._rows("paradigm").items()}
        metrics = {
            **_mean_of_groups("accuracy", paradigms.values()),
            **_mean_of_groups("micro_accuracy", [self.is_right]),
        }
        for kind in ("phenomenon", "field"):
            for name, rows in self._rows(kind).items():
                of_group = dict.fromkeys(self.pairs[row].paradigm for row in rows)
                shares = [paradigms[paradigm] for paradigm in of_group]
                metrics |= _mean_of_groups(f"{kind}/{name}", shares)
        for name, right in paradigms.items():
            metrics |= _mean_of_groups(f"paradigm/{name}", [right])
        metrics["num_pairs"] = len(self.pairs)
        metrics["num_ties"] = int(((self.good == self.bad) | self.is_alike).sum())
        return metrics

    def notes(self) -> tuple[str, ...]:
        """Notes on pairs of the same tokens twice, and on sentences empty, cut or unknown."""
        kinds = (
            (self.is_empty, "have a sentence without a token and count as wrong"),
            (self.is_alike, "have the same tokens in both sentences and count as wrong"),
            (self.is_cut, "are longer than the model and lost their ends"),
            (self.is_unknown, "are mostly unknown tokens, so that they say little of the model"),
        )
        return tuple(
            f"{int(rows.sum())} of {len(self.pairs)} pairs {what}; "
            f"the first is {self.pairs[int(rows.argmax())].place}."
            for rows, what in kinds
            if rows.any()
        )

    def predictions(self) -> PairPredictions:
        """What is kept beside the metrics."""
        paradigms = self._rows("paradigm")
        number_of = {name: number for number, name in enumerate(paradigms)}
        return PairPredictions(
            good=self.good.astype(np.float32),
            bad=self.bad.astype(np.float32),
            is_right=self.is_right,
            paradigm=compact([number_of[pair.paradigm] for pair in self.pairs]),
            paradigms=tuple(paradigms),
        )

    def _rows(self, kind: str) -> dict[str, list[int]]:
        """Rows of the pairs of each paradigm, phenomenon or field that has a name."""
        rows: dict[str, list[int]] = defaultdict(list)
        for row, pair in enumerate(self.pairs):
            rows[getattr(pair, kind)].append(row)
        rows.pop("", None)
        return rows


def _mean_of_groups(name: str, groups: Iterable[NDArray[np.bool_]]) -> dict[str, float]:
    """Mean of the groups' accuracies with its standard error: the pairs vary, not the groups."""
    shares = [(float(right.mean()), len(right)) for right in groups]
    variance = sum(p * (1 - p) / n for p, n in shares) / len(shares) ** 2
    return {
        name: sum(p for p, _ in shares) / len(shares),
        f"{name}_standard_error": math.sqrt(variance),
    }


def score_pairs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[Pair],
    settings: ScoringSettings | None = None,
    on_progress: ProgressCallback = ignore,
) -> PairScores:
    """Score both sentences of each pair.

    Args:
        model: an `AutoModelForMaskedLM`, on its device.
        tokenizer: a fast one, of the model.
        pairs: a sentence that is longer than the model's positions is cut.
        settings: how tokens are masked and computed.
        on_progress: called with the stage `scoring`, the tokens scored and their number.

    Raises:
        UserError: the tokenizer is not fast, has no mask token or is of another model.
    """
    scorer = Scorer(model, tokenizer, settings)
    sentences = [sentence for pair in pairs for sentence in (pair.good, pair.bad)]
    texts = [text.cut(scorer.max_length) for text in scorer.tokenizer.encode(sentences)]
    plls = np.array([score.sum() for score in scorer.log_probabilities(texts, on_progress)])
    is_alike = [
        np.array_equal(good.ids, bad.ids) for good, bad in zip(texts[::2], texts[1::2], strict=True)
    ]
    is_cut = np.array([text.num_left_out > 0 for text in texts])
    is_empty = np.array([not len(text) for text in texts])
    is_unknown = np.array([is_mostly_unknown(text.targets, tokenizer) for text in texts])
    return PairScores(
        pairs,
        good=plls[::2],
        bad=plls[1::2],
        is_alike=np.array(is_alike),
        is_cut=is_cut[::2] | is_cut[1::2],
        is_unknown=is_unknown[::2] | is_unknown[1::2],
        is_empty=is_empty[::2] | is_empty[1::2],
    )


@dataclass(frozen=True, kw_only=True)
class MinimalPairsTask:
    """A file, or a directory of files, of minimal pairs as a task.

    Attributes:
        path: the file or directory.
        name: what the task is called; `blimp` for BLiMP.
        settings: how sentences are scored.
        limit: largest number of pairs of each paradigm, for a quick look; 0 takes all.
        columns: names of the acceptable sentence and of the other one in the files; `None` finds
            the usual ones.
    """

    path: Path
    name: str = "blimp"
    settings: ScoringSettings = field(default_factory=ScoringSettings)
    limit: int = 0
    columns: tuple[str, str] | None = None
    main_metric: str = "accuracy"

    def describe(self, model_type: str) -> dict[str, Any]:
        """Settings and the fingerprint of the files.

        Raises:
            UserError: there is no such file.
        """
        files = pair_files(self.path)
        settings: dict[str, Any] = {
            "variant": self.settings.variant,
            "precision": resolved_precision(self.settings.precision, usual_device(), model_type),
            "limit": self.limit,
        }
        data: dict[str, Any] = {"fingerprint": fingerprint_of_pairs(files)}
        # What was always read in one way is not named, so that results of before stay valid.
        if self.columns is not None:
            settings["columns"] = list(self.columns)
        if are_quoted(files):
            data["quoted"] = True
        return {"settings": settings, "data": data}

    def check(self) -> None:
        """Read every pair.

        Raises:
            UserError: the files are missing or damaged.
        """
        self._pairs()

    def measure(self, model_under_test: ModelUnderTest, on_progress: ProgressCallback) -> Measured:
        """Accuracies of a model.

        Raises:
            UserError: the files or the model cannot be used.
        """
        pairs = self._pairs()
        model = model_under_test.masked_lm()
        scores = score_pairs(
            model,
            model_under_test.tokenizer,
            pairs,
            self.settings,
            lambda _, done, total: on_progress(self.name, done, total),
        )
        limited = f"At most {self.limit} pairs of each paradigm are scored (minimal_pairs.limit)."
        slow = emulation_note("scoring.precision", self.settings.precision, model.device.type)
        notes = [slow] if slow else []
        notes += [limited] if self.limit else []
        notes += notes_on_tables(pair_files(self.path), self.columns)
        return Measured(
            scores.metrics(),
            (*notes, *scores.notes(), *model_under_test.frame.notes),
            of_split("pairs", scores.predictions()),
        )

    def _pairs(self) -> list[Pair]:
        return read_pairs(pair_files(self.path), self.limit, self.columns)
