"""The card of a trained model: what it is, what it learned from, how well, and how to use it.

Everything in it is read from the run directory, whose files say it already; the front matter is
that of the Hugging Face hub.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from tidemask.corpus.store.manifest import Manifest
from tidemask.evaluation_files import read_metrics_of
from tidemask.masking.ratio_bandit import Bandit
from tidemask.masking.schedule import RatioSchedule, mean_ratio
from tidemask.run_record import (
    FINAL,
    HELD_OUT_CELLS,
    HELD_OUT_TASK,
    MEAN_LOSS,
    OWN_LOSS,
    PREDICTED_TOKENS,
    REALISED_RATIO,
    START,
    TOKENS_SEEN,
    UNIGRAM_CROSS_ENTROPY,
    UNIGRAM_ENTROPY,
    RunDirectory,
    changes,
    in_place_of,
    machines_of,
    read_metrics,
    standard_error_of,
)
from tidemask.runs.config import RunConfig, load_recipe, read_run_config, recipe_names, to_yaml
from tidemask.runs.more_steps import continuation_note
from tidemask.runs.placeless import placeless

_VERSION = metadata.version("tidemask")
_LOSSES = {
    MEAN_LOSS: "mean of the six",
    **{cell.loss: cell.title for cell in HELD_OUT_CELLS},
    OWN_LOSS: "as its recipe masks at the end",
}
_BIBTEX = f"""@software{{tidemask,
  title = {{tidemask: masked-language-model pre-training whose masking changes over training}},
  author = {{{{The tidemask developers}}}},
  version = {{{_VERSION}}}
}}"""


def model_card(
    run: RunDirectory, corpus: Manifest, *, mask_token: str, checkpoint: int | None = None
) -> str:
    """The README.md of the final model of a run, or of a checkpoint, with the hub's front matter.

    Args:
        run: with the evaluation of the model written, if it has one.
        corpus: what it was trained on.
        mask_token: how the tokenizer writes the masked token.
        checkpoint: steps of the checkpoint; `None` for the final model.
    """
    of_run = read_run_config(run.config)
    config = placeless(of_run)
    steps = config.training.num_steps if checkpoint is None else checkpoint
    shown = FINAL if checkpoint is None else run.checkpoint(checkpoint).name
    needed = {shown: (UNIGRAM_CROSS_ENTROPY, UNIGRAM_ENTROPY)}
    measured = {
        name: read_metrics_of(run, HELD_OUT_TASK, name, needed=needed.get(name, ()))
        for name in (START, shown)
    }
    scores = {name: metrics for name, metrics in measured.items() if metrics is not None}
    records = [line for line in _lines_of(run) if line["step"] <= steps]
    environment = run.read_environment()
    sections = [
        _title(config, steps),
        "## Use\n\n" + _use(mask_token),
        "## Training\n\n" + _bullets(_training(config, steps, records, corpus, environment)),
        "## Data\n\n" + _bullets(_data(corpus)),
        "## Scores\n\n" + _scores(scores, shown) + _of_start(config, scores),
        "## Limits\n\n" + _limits(config, corpus),
        "## Hardware and versions\n\n" + _bullets(_environment(environment)),
        "## Citation\n\n" + _citation(config),
        f"## The whole configuration\n\n```yaml\n{to_yaml(config)}```",
    ]
    base = _on_the_hub(of_run.model.warm_start)
    front_matter = _front_matter(config, corpus, scores.get(shown, {}), base).to_yaml()
    body = "\n\n".join(sections)
    return str(ModelCard(f"---\n{front_matter}\n---\n\n{body}\n"))


def _on_the_hub(base: str | None) -> str | None:
    """The model that a run goes on from, if it has it from the hub; one of a directory is a path.

    The directory may be gone by now.
    """
    return None if base is None or Path(base).is_absolute() or Path(base).exists() else base


def _front_matter(
    config: RunConfig, corpus: Manifest, scores: Mapping[str, Any], base: str | None
) -> ModelCardData:
    results = [
        EvalResult(
            task_type="fill-mask",
            task_name="Masked language modeling",
            dataset_type=f"tidemask-{corpus.fingerprint[:12]}",
            dataset_name="held-out split of the prepared corpus",
            metric_type="loss",
            metric_name=f"nats per masked token, {title}",
            metric_value=round(scores[loss], 4),
        )
        for loss, title in _LOSSES.items()
        if loss in scores
    ]
    return ModelCardData(
        library_name="transformers",
        pipeline_tag="fill-mask",
        tags=["tidemask", "masked-language-modeling", config.recipe],
        base_model=base,
        model_name=_name(config) if results else None,
        eval_results=results or None,
    )


def _name(config: RunConfig) -> str:
    return f"{Path(config.model.name).name}-{config.recipe}"


def _title(config: RunConfig, steps: int) -> str:
    base = config.model.warm_start
    begun = f"continued from `{base}`" if base else "trained from scratch"
    is_last = steps == config.training.num_steps
    part = "" if is_last else f" This is its state after {_done(config, steps)} optimizer steps."
    return (
        f"# {_name(config)}\n\nA masked language model, {begun} with tidemask {_VERSION} "
        f"under the masking recipe `{config.recipe}`.{part}"
    )


def _done(config: RunConfig, steps: int) -> str:
    whole = config.training.num_steps
    return f"{whole:,}" if steps == whole else f"{steps:,} of {whole:,}"


def _use(mask_token: str) -> str:
    return f"""```python
from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline

directory = "."  # where this file lies; or the model's name on the hub
model = AutoModelForMaskedLM.from_pretrained(directory)
tokenizer = AutoTokenizer.from_pretrained(directory)
fill = pipeline("fill-mask", model=model, tokenizer=tokenizer)
print(fill("This is a {mask_token}."))
```

It predicts masked tokens, and is meant to be fine-tuned, or to be trained further on other text."""


def _lines_of(run: RunDirectory) -> list[dict[str, Any]]:
    return read_metrics(run.metrics) if run.metrics.is_file() else []


def _ratio(schedule: RatioSchedule) -> str:
    if isinstance(schedule, Bandit):
        grid = ", ".join(f"{ratio:g}" for ratio in schedule.ratios)
        return f"chosen of {grid} while training, by what each gained"
    return f"{mean_ratio(schedule):.4f} on average over the schedule"


def _training(
    config: RunConfig,
    steps: int,
    records: Sequence[Mapping[str, Any]],
    corpus: Manifest,
    environment: Mapping[str, Any],
) -> list[str]:
    realised = [line[REALISED_RATIO] for line in records if line.get(REALISED_RATIO) is not None]
    at_steps = f"{min(realised):.4f} to {max(realised):.4f}" if realised else "an unknown share"
    lines = [
        f"Recipe `{config.recipe}`: {_provenance(config)}",
        f"Masking ratio: {_ratio(config.masking.ratio)}; at the logged steps {at_steps} of the "
        "tokens were masked.",
        f"{_done(config, steps)} optimizer steps, "
        f"{_tokens(config, steps, records, corpus, environment.get('processes') or 1)}.",
        f"Peak learning rate {config.training.learning_rate:g}, {config.training.lr_schedule}, "
        f"arithmetic in {config.training.precision}, seed {config.training.seed}.",
    ]
    if note := continuation_note(config):
        lines.append(note)
    if config.overrides:
        settings = ", ".join(f"`{override}`" for override in config.overrides)
        lines.append(f"Set over the recipe: {settings}.")
    return lines


def _tokens(
    config: RunConfig,
    steps: int,
    records: Sequence[Mapping[str, Any]],
    corpus: Manifest,
    num_ranks: int,
) -> str:
    """How many tokens were seen and predicted, as far as the lines of metrics say it."""
    last = records[-1] if records else {}
    if not {TOKENS_SEEN, PREDICTED_TOKENS} <= last.keys():
        return "an unknown number of tokens seen, as the lines of metrics are gone"
    logged = f" by step {last['step']:,}" if last["step"] != steps else ""
    if config.training.predictions_per_step is None:
        num_rows = last["step"] * config.training.sequences_per_step(num_ranks)
    else:  # batches grow, of rows that are full
        num_rows = last[TOKENS_SEEN] / corpus.sequence_length
    epochs = num_rows / max(1, corpus.train.num_sequences)
    return (
        f"{last[TOKENS_SEEN]:,} tokens seen{logged}, special ones included ({epochs:.2f} passes "
        f"over the text), {last[PREDICTED_TOKENS]:,} predicted"
    )


def _provenance(config: RunConfig) -> str:
    if config.recipe not in recipe_names():
        return "not one of those that tidemask ships; it stands below."
    recipe = load_recipe(config.recipe)
    deviations = f" Deviations: {recipe.deviations}" if recipe.deviations else ""
    return f"{recipe.summary} Source: {recipe.source}{deviations}"


def _data(corpus: Manifest) -> list[str]:
    tagger = "none" if corpus.tagger == "none" else f"`{corpus.tagger}`"
    return [
        f"Fingerprint of the prepared corpus: `{corpus.fingerprint}`.",
        f"{corpus.train.num_tokens:,} tokens of {corpus.train.num_documents:,} documents for "
        f"training, {corpus.held_out.num_tokens:,} of {corpus.held_out.num_documents:,} held out.",
        "Documents dropped as copies of others before the split by document: "
        f"{corpus.num_duplicates_dropped:,}.",
        f"Rows of {corpus.sequence_length} tokens, {corpus.vocab_size:,} vocabulary entries.",
        f"Tagger of token classes: {tagger}.",
    ]


def _scores(scores: Mapping[str, Mapping[str, Any]], shown: str) -> str:
    if shown not in scores:
        held_out = "the corpus holds no held-out text"
        return f"None: {held_out if shown == FINAL else 'this checkpoint was not evaluated'}."
    names = [name for name in (START, shown) if name in scores]
    rows = ["| masked | " + " | ".join(names) + " |", "|---" * (1 + len(names)) + "|"]
    for loss, title in _LOSSES.items():
        if loss in scores[shown]:
            cells = " | ".join(_score(scores[name], loss) for name in names)
            rows.append(f"| {title} | {cells} |")
    final = scores[shown]
    return (
        "Held-out loss in nats per masked token (± standard error); in the six cells of ratio and "
        "unit, every selected token is shown as the mask token. The token frequencies of the "
        f"training text alone give {final[UNIGRAM_CROSS_ENTROPY]:.3f}; the unigram entropy of the "
        f"held-out text is {final[UNIGRAM_ENTROPY]:.3f}.\n\n" + "\n".join(rows)
    )


def _of_start(config: RunConfig, scores: Mapping[str, Mapping[str, Any]]) -> str:
    """A sentence where a model that was trained before predicts worse than frequencies do."""
    start = scores.get(START, {})
    if not config.model.warm_start or not {MEAN_LOSS, UNIGRAM_CROSS_ENTROPY} <= start.keys():
        return ""
    if start[MEAN_LOSS] <= start[UNIGRAM_CROSS_ENTROPY]:
        return ""
    return (
        "\n\nAt its start the model predicted worse than these frequencies do: its head for masked "
        "language modeling, or entries of its vocabulary, had weights that were not trained. What "
        "the encoder knew before, and what it gained, cannot be read from the difference."
    )


def _score(metrics: Mapping[str, Any], loss: str) -> str:
    if loss not in metrics:
        return "-"
    error = metrics.get(standard_error_of(loss))
    return f"{metrics[loss]:.3f}" + ("" if error is None else f" ± {error:.3f}")


def _limits(config: RunConfig, corpus: Manifest) -> str:
    return (
        f"It was trained on rows of {corpus.sequence_length} tokens with one seed "
        f"({config.training.seed}), and measured on held-out text of the same corpus alone: no "
        "downstream task was tried. What its text holds that is wrong or unfair, it may repeat. "
        "Losses of models with other tokenizers cannot be compared with these."
    )


def _environment(environment: Mapping[str, Any]) -> list[str]:
    machines = machines_of(environment)
    first = machines[0]
    hardware = [
        first.device or "unknown device",
        *([first.processor] if first.processor else []),
        str(environment.get("engine", "one process")),
    ]
    later = [
        f"After step {step}: {in_place_of(found.items())}."
        for (step, machine), before in zip(
            list(machines.items())[1:], machines.values(), strict=False
        )
        if (found := changes(before, machine))
    ]
    versions = ", ".join(f"{name} {version}" for name, version in first.versions.items())
    return [f"{', '.join(hardware)}.", f"{versions}.", *later]


def _citation(config: RunConfig) -> str:
    source = ""
    if config.recipe in recipe_names():
        source = f"\n\nThe method: {load_recipe(config.recipe).source}"
    return f"```bibtex\n{_BIBTEX}\n```{source}"


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
