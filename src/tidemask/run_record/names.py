"""Names that training, evaluation and the report share: of metrics, of models, of settings."""

from __future__ import annotations

TOKENS_SEEN = "tokens_seen"
PREDICTED_TOKENS = "predicted_tokens"
WALL_SECONDS = "wall_seconds"
DEVICE_SECONDS = "device_seconds"
FLOPS = "flops"
TOKENS_PER_SECOND = "tokens_per_second"
LOADING_SHARE = "loading_share"
MASKING_SHARE = "masking_share"
MEASURING_SHARE = "measuring_share"
"""Part of the time in which a run measured what its masking ratio follows."""
SCORING_SECONDS, SCORING_SHARE = "scoring_seconds", "scoring_share"
"""Time in which the model scored positions that were then masked, and its part of all."""
TIME_METRICS = frozenset(
    {
        WALL_SECONDS,
        DEVICE_SECONDS,
        TOKENS_PER_SECOND,
        LOADING_SHARE,
        MASKING_SHARE,
        MEASURING_SHARE,
        SCORING_SECONDS,
        SCORING_SHARE,
    }
)
"""Metrics that depend on the machine and on what else it does: equal runs differ in them alone."""
LEARNING_RATE = "learning_rate"
CONTINUED_FROM = "continued_from_step"
"""In the first line of a run with more steps: the last step of the run that it goes on from, which
run.yaml names."""
GRAD_NORM = "grad_norm"
RATIO = "masking/ratio"
REALISED_RATIO = "masking/realised_ratio"
SHORTFALL = "masking/shortfall"
REFERENCE_LOSS = "bandit/reference_loss"
"""Held-out loss when a block of one ratio began, nats per token."""
REWARD = "bandit/reward"
"""Fall of that loss in the block before, nats for 10^15 operations of training; for 10^15 tokens
read where operations are not counted."""
ARM_PROBABILITY = "bandit/probability/"
"""With a ratio behind it: the chance that the block had of it."""
CLASS_LOSS = "class_loss/"
CLASS_STATISTIC = "class_statistic/"
CLASS_WEIGHT = "class_weight/"
CLASS_SHARE = "class_share/"
GLUE_TASKS = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")
"""In the order of GLUE's own table (Wang et al. 2019)."""
START, FINAL, RANDOM = "start", "final", "random"
"""What evaluations call the starting model, the final one, and the architecture with random
weights, where others name a checkpoint."""

CHANGEABLE_SETTINGS = frozenset({"keep_checkpoints", "loader_workers", "report_to", "sharding"})
"""Settings of training that change no result: a run may continue with other values of them."""
WRITING_SETTINGS = frozenset({"logging_steps", "save_steps"})
"""Settings of training that change when something is written, and no result of a step."""
UNPLANNED_LENGTHS = frozenset({"max_epochs", "max_tokens"})
"""Settings of training that are planned into `max_steps`; in run.yaml none of them is set."""
BATCH_SETTINGS = frozenset({"micro_batch_size", "gradient_accumulation_steps"})
"""Settings of training whose product alone counts for each process: sequences per step."""
