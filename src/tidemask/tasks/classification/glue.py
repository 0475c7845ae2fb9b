"""The nine tasks of GLUE, and one more on pairs.

Metrics are those that the BERT paper reports (Devlin et al. 2019, table 1): F1 for QQP and MRPC,
Spearman's correlation for STS-B, Matthews' for CoLA (as in GLUE; Wang et al. 2018), accuracy for
the others; the second metric that GLUE averages is computed too.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidemask.tasks.classification.features import TextTaskSettings

_PAIR = ("sentence1", "sentence2")
_NLI = ("premise", "hypothesis")

GLUE: Mapping[str, TextTaskSettings] = {
    task.name: task
    for task in (
        TextTaskSettings(name="cola", labels=(0, 1), metrics=("matthews_correlation", "accuracy")),
        TextTaskSettings(name="sst2", labels=(0, 1)),
        TextTaskSettings(name="mrpc", text=_PAIR, labels=(0, 1), metrics=("f1", "accuracy")),
        TextTaskSettings(
            name="stsb", kind="regression", text=_PAIR, metrics=("spearman", "pearson")
        ),
        TextTaskSettings(
            name="qqp", text=("question1", "question2"), labels=(0, 1), metrics=("f1", "accuracy")
        ),
        TextTaskSettings(name="mnli", text=_NLI, labels=(0, 1, 2)),
        TextTaskSettings(name="qnli", text=("question", "sentence"), labels=(0, 1)),
        TextTaskSettings(name="rte", text=_PAIR, labels=(0, 1)),
        TextTaskSettings(name="wnli", text=_PAIR, labels=(0, 1)),
    )
}
"""The tasks by name, in the order of `run_record.GLUE_TASKS`."""

XNLI_EN = TextTaskSettings(name="xnli_en", text=_NLI, labels=(0, 1, 2))
"""The English part of XNLI."""

GLUE_HUB: Mapping[str, tuple[str, ...]] = {
    **{name: ("nyu-mll/glue", name) for name in GLUE},
    "xnli_en": ("facebook/xnli", "en"),
}
"""Name of each data set on the hub, and of its configuration."""
