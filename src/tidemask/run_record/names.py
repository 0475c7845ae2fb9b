"""Names that training, evaluation and the report share: of metrics, of models, of settings."""

from __future__ import annotations

TOKENS_SEEN = "tokens_seen"
PREDICTED_TOKENS = "predicted_tokens"
WALL_SECONDS = "wall_seconds"
TOKENS_PER_SECOND = "tokens_per_second"
LOADING_SHARE = "loading_share"
MASKING_SHARE = "masking_share"
LEARNING_RATE = "learning_rate"
CONTINUED_FROM = "continued_from_step"
"""In the first line of a run with more steps: the last step of the run that it goes on from, which
run.yaml names."""
GRAD_NORM = "grad_norm"
RATIO = "masking/ratio"
REALISED_RATIO = "masking/realised_ratio"
SHORTFALL = "masking/shortfall"
CLASS_LOSS = "class_loss/"
CLASS_WEIGHT = "class_weight/"
CLASS_SHARE = "class_share/"
HELD_OUT = "held_out/"
UNIGRAM_ENTROPY = "unigram_entropy"
HELD_OUT_TASK = "held-out"
"""The task that measures held-out loss; results of other tasks bear their own names."""
GLUE_TASKS = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")
"""In the order of GLUE's own table (Wang et al. 2019)."""
START, FINAL, RANDOM = "start", "final", "random"
"""What evaluations call the starting model, the final one, and the architecture with random
weights, where others name a checkpoint."""
HELD_OUT_PERCENTS: tuple[int, ...] = (5, 15, 30)
"""Masking ratios, in per cent, at which held-out loss is always measured."""
FREQUENCY_BANDS: tuple[tuple[int, int], ...] = ((0, 50), (50, 75), (75, 90), (90, 99), (99, 100))
"""Bands of vocabulary entries, the most frequent first: the per cent of the training tokens whose
entries are more frequent, from and below. The last band also holds what was never seen."""

CHANGEABLE_SETTINGS = frozenset({"keep_checkpoints", "loader_workers", "report_to", "sharding"})
"""Settings of training that change no number: a run may continue with other values of them."""
WRITING_SETTINGS = frozenset({"logging_steps", "save_steps"})
"""Settings of training that change when something is written, and no number of a step."""
UNPLANNED_LENGTHS = frozenset({"max_epochs", "max_tokens"})
"""Settings of training that are planned into `max_steps`; in run.yaml none of them is set."""
BATCH_SETTINGS = frozenset({"micro_batch_size", "gradient_accumulation_steps"})
"""Settings of training whose product alone counts for each process: sequences per step."""


def held_out_loss(percent: int) -> str:
    """Name of the held-out loss at a fixed masking of `percent` per cent, nats per token."""
    return f"{HELD_OUT}loss_{percent}"


def held_out_band_loss(percent: int, band: tuple[int, int]) -> str:
    """Name of that loss on the entries of one of `FREQUENCY_BANDS` alone."""
    return f"{held_out_loss(percent)}/frequency/{band[0]}-{band[1]}"
