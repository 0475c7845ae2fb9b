"""The collator: the masker for loops that are not ours.

It takes the place of `DataCollatorForLanguageModeling`: in any PyTorch `DataLoader`, in the stock
Trainer, in Lightning. Every batch is masked with the ratio of the step that it will train, in
whatever worker it is made; class losses are those known when it is made, or those of a fixed number
of steps before.

Dimensions: `B` sequences, `L` positions, `K` classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tidemask.batches.collation import Collation
from tidemask.batches.example_columns import ATTENTION, TOKEN_CLASS, WORD_STARTS, TokenizedExample
from tidemask.batches.shared_losses import SharedLosses
from tidemask.batches.step_clock import StepClock
from tidemask.masking.batch import Batch, MaskedBatch
from tidemask.masking.corruption import Corruption
from tidemask.masking.masker import Masker
from tidemask.masking.noise import StepKey
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.position_weights import WeightOf
from tidemask.masking.schedule import Constant
from tidemask.masking.vocabulary import Tokenizer, Vocabulary
from tidemask.masking.weight_table import EntryWeights
from tidemask.settings import MAX_STEPS, check_integer, check_share
from tidemask.token_classes import TokenColumn

LOSS_WEIGHT, NUM_MASKABLE = "loss_weight", "num_maskable"
"""Columns of a masked batch that the loss reads and no model does, beside `token_class`."""

_EVALUATION_KEY = StepKey(seed=20230710, step=0)


class MaskingCollator:
    """Collates and masks examples for the step that they will train.

    Examples are mappings with `input_ids`, and with `word_starts` (bool) where words are masked
    whole and `token_class` (uint8) where classes are weighted, or another column that the policy
    names; a sequence is identified by its `sample_id`, else by its content. Sequences may be padded
    or of different lengths; packed documents are known by `document_starts`, or by `position_ids`
    that restart. Other columns are passed on.

    In a loop of your own call `step_done()` after each optimizer step. While `is_training()` is
    false, batches are masked for evaluation: uniform tokens at one ratio, all mask tokens, the same
    for a sequence each time.

    Args:
        settings: the masking policy.
        vocabulary: mask token and special ids.
        max_steps: planned optimizer steps.
        pad_id: id that fills up shorter sequences.
        seed: of the noise; the same on every rank.
        accumulation_steps: batches per optimizer step.
        class_names: names of the token classes.
        columns: what else examples say of each token, for the policy.
        token_counts: how often each vocabulary id occurs, for weights by frequency.
        entry_weights: of vocabulary ids, by the file that the weighting `entries` names.
        weight_of: weights of a batch's positions, for the weighting `function`.
        pad_to_multiple_of: lengths of batches are multiples of this.
        evaluation_ratio: masking ratio of evaluation, in [0, 1].
        loss_lag_steps: a batch is masked by the class losses of this many steps before its own. 0
            takes the latest known, which with loader workers depends on how far these are ahead;
            masks are the same each time if it is at least the batches that a loader makes ahead,
            `num_workers * prefetch_factor`, divided by `accumulation_steps`.

    Raises:
        ValueError: what `Masker` refuses; an argument of another type or outside its range.

    Example:
        >>> from torch.utils.data import DataLoader
        >>> from tidemask import MaskingCollator, Vocabulary, load_recipe
        >>> policy, vocabulary = load_recipe("mrd-cosine").masking, Vocabulary.of(50, 4, range(5))
        >>> collator = MaskingCollator(policy, vocabulary, max_steps=2, pad_id=0)
        >>> rows = [{"input_ids": [2, 10, 11, 12, 3]}, {"input_ids": [2, 20, 21, 3]}] * 2
        >>> for batch in DataLoader(rows, batch_size=2, collate_fn=collator):
        ...     collator.step_done()
        >>> sorted(batch), tuple(batch["input_ids"].shape)
        (['attention_mask', 'input_ids', 'labels'], (2, 5))
    """

    def __init__(
        self,
        settings: MaskingSettings,
        vocabulary: Vocabulary,
        *,
        max_steps: int,
        pad_id: int,
        seed: int = 0,
        accumulation_steps: int = 1,
        class_names: Sequence[str] = (),
        columns: Sequence[TokenColumn] = (),
        token_counts: Int[Tensor, "V"] | None = None,
        entry_weights: EntryWeights | None = None,
        weight_of: WeightOf | None = None,
        pad_to_multiple_of: int = 1,
        evaluation_ratio: float = 0.15,
        loss_lag_steps: int = 0,
    ) -> None:
        self.masker = Masker(
            settings,
            vocabulary,
            class_names=class_names,
            columns=columns,
            max_steps=max_steps,
            token_counts=token_counts,
            entry_weights=entry_weights,
            weight_of=weight_of,
        )
        if settings.follows_measurements:
            raise ValueError(
                f"ratio.schedule={settings.ratio.schedule} in a collator. Expected a schedule of "
                "progress alone: this one follows the measurements of `tidemask pretrain`; a loop "
                "that measures can give `Masker` the ratio of each step."
            )
        if settings.scoring is not None:
            raise ValueError(
                "masking.content.weighting=model_score in a collator, which has no model. Expected "
                "MaskedLMTrainer (tidemask pretrain), or a loop that calls a Masker with scores."
            )
        self.seed = StepKey(seed, 0).seed
        self.clock = StepClock(max_steps, accumulation_steps=accumulation_steps)
        self.collation = Collation(
            vocabulary.is_special,
            pad_id=pad_id,
            pad_to_multiple_of=pad_to_multiple_of,
            columns=columns,
        )
        self.is_training: Callable[[], bool] = partial(bool, True)
        self.class_loss = self.masker.new_learned()
        check_integer("loss_lag_steps", loss_lag_steps, minimum=0, below=MAX_STEPS)
        evaluation_ratio = check_share("evaluation_ratio", evaluation_ratio)
        self._losses: SharedLosses | None = None
        if self.class_loss is not None:
            self._losses = SharedLosses(self.class_loss, lag_steps=loss_lag_steps)
        self._evaluation = Masker(
            MaskingSettings(
                ratio=Constant(ratio=evaluation_ratio),
                unit="token",
                corruption=Corruption(mask=1.0, random=0.0, keep=0.0),
            ),
            vocabulary,
            max_steps=1,
        )

    @classmethod
    def for_tokenizer(
        cls, settings: MaskingSettings, tokenizer: Tokenizer, *, max_steps: int, **others: Any
    ) -> MaskingCollator:
        """A collator whose vocabulary is that of a Hugging Face tokenizer.

        Args:
            settings: the masking policy.
            tokenizer: with a mask token and a padding token.
            max_steps: planned optimizer steps.
            **others: as for `MaskingCollator`.

        Raises:
            ValueError: the tokenizer lacks a mask or padding token.
        """
        mask_id = getattr(tokenizer, "mask_token_id", None)
        pad_id = getattr(tokenizer, "pad_token_id", None)
        if mask_id is None or pad_id is None:
            raise ValueError(
                f"mask_token_id={mask_id}, pad_token_id={pad_id}. "
                "Expected a tokenizer of a masked language model, which has both."
            )
        vocabulary = Vocabulary.of_tokenizer(tokenizer)
        return cls(settings, vocabulary, max_steps=max_steps, pad_id=pad_id, **others)

    def __call__(self, examples: Sequence[TokenizedExample]) -> dict[str, Tensor]:
        """Collate and mask.

        Returns:
            `input_ids` and `labels`, int64 [B, L]; `attention_mask`, int64 [B, L], if anything is
            padded or the examples have one; `token_class`, uint8 [B, L], where the policy learns
            from class losses; where it weights the loss, `loss_weight`, float32 [B, L], and
            `num_maskable` [B], by whose sum the weighted sum of losses is to be divided; and the
            columns passed on.

        Raises:
            ValueError: examples that cannot be collated, or that lack what the policy needs.
        """
        batch, passed_on = self.collation(examples)
        if self.is_training():
            self._check_columns(batch)
            step = self.clock.next_step()
            masked = self.masker(
                batch,
                progress=step / self.clock.max_steps,
                key=StepKey(self.seed, step),
                class_loss=self._losses.read(step) if self._losses else None,
            )
        else:
            batch = replace(batch, token_class=None, columns={})
            masked = self._evaluation(batch, progress=0.0, key=_EVALUATION_KEY)
        with_attention = ATTENTION in examples[0]
        return {**passed_on, **self._columns(masked, with_attention=with_attention)}

    def _check_columns(self, batch: Batch) -> None:
        """Refuse a batch without a column that the policy needs.

        A stock Trainer drops columns that its model does not read, hence the hint.
        """
        settings = self.masker.settings
        for needed, name, present in (
            (settings.uses_word_starts, WORD_STARTS, batch.word_starts),
            (settings.uses_token_classes, TOKEN_CLASS, batch.token_class),
            *((True, name, batch.columns.get(name)) for name in settings.columns),
        ):
            if needed and present is None:
                raise ValueError(
                    f"no column {name} in the examples, which the masking policy needs. Add it "
                    "when tokenising (tidemask.word_starts_of finds the starts of words); with the "
                    "stock Trainer, set remove_unused_columns=False."
                )

    def _columns(self, masked: MaskedBatch, *, with_attention: bool) -> dict[str, Tensor]:
        columns = {"input_ids": masked.input_ids, "labels": masked.labels}
        if masked.attention_mask is not None:
            columns[ATTENTION] = masked.attention_mask.to(torch.int64)
        elif with_attention:
            columns[ATTENTION] = torch.ones_like(masked.input_ids)
        if masked.loss_weight is not None:
            columns[LOSS_WEIGHT] = masked.loss_weight
            columns[NUM_MASKABLE] = masked.maskable.sum(1)
        settings = self.masker.settings
        by_class = settings.learning is not None and not settings.learns_entries
        if by_class and masked.token_class is not None:
            columns[TOKEN_CLASS] = masked.token_class
        return columns

    def start(self, step: int, offset: int = 0) -> None:
        """Set where the next loader iterator begins; see `StepClock.start`."""
        self.clock.start(step, offset)

    def lag_losses(self, steps: int) -> None:
        """Raise `loss_lag_steps` to at least this many; before a loader is started."""
        if self._losses is not None:
            self._losses = self._losses.with_lag(max(steps, self._losses.lag_steps))

    def step_done(
        self,
        loss_sum: Float[Tensor, "*values K"] | None = None,
        count: Float[Tensor, "K"] | None = None,
    ) -> None:
        """Call this after each optimizer step, with the losses of its classes.

        Args:
            loss_sum: summed cross-entropy of each class in the global batch, nats; for a policy
                that learns from them, and for no other (`class_loss_sums` makes both). For one that
                follows a statistic, what `class_statistic_sums` makes.
            count: number of those tokens.

        Raises:
            ValueError: more steps than were planned; class losses missing, or not wanted; one that
                is not finite, with the step and the class named.
        """
        if self._losses is None:
            if loss_sum is not None or count is not None:
                weighting = self.masker.settings.content.weighting
                raise ValueError(
                    f"class losses given to step_done with masking.content.weighting={weighting}, "
                    "which does not learn from them. Expected step_done()."
                )
        elif loss_sum is None or count is None:
            raise ValueError(
                f"loss_sum={loss_sum}, count={count} for a policy that learns from class losses. "
                "Expected step_done(*class_loss_sums(...)), zeros for a step without any."
            )
        else:
            self._losses.update(loss_sum, count, step=self.clock.steps_done)
        self.clock.step_done()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs: the steps done and the class losses, as plain numbers."""
        none = {"class_loss": None, "recent_losses": None}
        losses = self._losses.state_dict() if self._losses else none
        return {"steps_done": self.clock.steps_done, **losses}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state; before the loader is started.

        Raises:
            ValueError: the state is of a policy with other classes.
        """
        ours, saved = self._losses is not None, state["class_loss"] is not None
        if ours != saved:
            raise ValueError(
                f"class losses in the saved state: {saved}, in this policy: {ours}. Expected the "
                "state of the same policy."
            )
        if self._losses is not None:
            self._losses.load_state_dict(state)
        self.clock.start(int(state["steps_done"]))

    def __getstate__(self) -> dict[str, Any]:
        """The state for a spawned worker; whether it trains is decided when it starts."""
        return {**self.__dict__, "is_training": partial(bool, self.is_training())}
