"""Run directories as `pretrain` and `evaluate` leave them, with made-up but lifelike numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tidemask.evaluation_files import write_evaluation
from tidemask.report.compare import Comparison, write_page
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.naming import in_arms
from tidemask.report.results.read_runs import read_run
from tidemask.report.results.sources import ComparisonQuestion, RunSource
from tidemask.run_record import RunDirectory, append_metrics
from tidemask.runs.config import load_recipe

MakeRun = Callable[..., Path]
"""Of the fixture `make_run`."""

CORPUS_SHARE = {
    "ADJ": 0.068,
    "ADP": 0.098,
    "ADV": 0.049,
    "AUX": 0.055,
    "CCONJ": 0.033,
    "DET": 0.089,
    "INTJ": 0.003,
    "NOUN": 0.212,
    "NUM": 0.012,
    "PART": 0.024,
    "PRON": 0.061,
    "PROPN": 0.034,
    "PUNCT": 0.121,
    "SCONJ": 0.016,
    "SYM": 0.004,
    "VERB": 0.118,
    "X": 0.003,
}
FINAL_LOSS = {
    "ADJ": 5.6,
    "ADP": 2.7,
    "ADV": 4.9,
    "AUX": 2.6,
    "CCONJ": 2.4,
    "DET": 1.9,
    "INTJ": 5.2,
    "NOUN": 5.9,
    "NUM": 4.2,
    "PART": 2.2,
    "PRON": 3.3,
    "PROPN": 5.3,
    "PUNCT": 1.6,
    "SCONJ": 3.4,
    "SYM": 3.1,
    "VERB": 5.4,
    "X": 4.6,
}
BANDS = {"0-50": -2.5, "50-75": 0.4, "75-90": 2.0, "90-99": 3.5, "99-100": 5.0}
"""How much more is lost on the entries of a band than on all, nats."""

UNIGRAM_ENTROPY = 6.213
UNIGRAM_CROSS_ENTROPY = 6.471
VERSIONS = {"python": "3.11.9", "tidemask": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0"}


@dataclass(frozen=True, kw_only=True)
class SyntheticRun:
    """One run to be made; every field has an effect that a test can look for."""

    recipe: str = "bert"
    schedule: tuple[str, float, float] = ("constant", 0.15, 0.15)
    weighting: str = "uniform"
    seed: int = 17
    max_steps: int = 1000
    last_step: int = 1000
    logging_steps: int = 25
    held_out_every: int = 4
    evaluated: bool = True
    classes: bool = True
    fingerprint: str = "sha256:5f1d9c0a77e3"
    gain: float = 1.0


FOUR = (
    SyntheticRun(),
    SyntheticRun(recipe="constant-matched", schedule=("constant", 0.17, 0.17), gain=1.03),
    SyntheticRun(recipe="mrd-cosine", schedule=("cosine", 0.32, 0.02), gain=1.08),
    SyntheticRun(
        recipe="ptw-mrd",
        schedule=("cosine", 0.32, 0.02),
        weighting="class_loss",
        gain=1.05,
    ),
)


def write_run(root: Path, made: SyntheticRun) -> Path:
    """Write the run directory `root`; the same description gives the same files."""
    root.mkdir(parents=True)
    run = RunDirectory(root)
    run.config.write_text(yaml.safe_dump(_config(made), sort_keys=False))
    run.environment.write_text(json.dumps(_environment(made)))
    rng = np.random.default_rng([made.seed, len(made.recipe)])
    for record in _records(made, rng):
        append_metrics(run.metrics, record)
    if made.evaluated:
        write_evaluation(
            run,
            task="held-out",
            checkpoint="final",
            metrics=_held_out(made, rng),
            settings={"draws": 4, "seed": 1},
        )
    return root


def write_four(root: Path) -> list[Path]:
    """The four runs of the demo."""
    return [write_run(root / made.recipe, made) for made in FOUR]


def _config(made: SyntheticRun) -> dict[str, Any]:
    """A whole run.yaml: the defaults, and what the description says."""
    shape, start, end = made.schedule
    constant = {"schedule": "constant", "ratio": start}
    content: dict[str, Any] = {"weighting": made.weighting}
    if made.weighting == "class_loss":
        content |= {"classes": "upos", "horizon_steps": "auto", "sharpness": 2.0}
    config = asdict(
        load_recipe(
            "bert",
            {
                "masking.ratio": constant
                if shape == "constant"
                else {"schedule": shape, "start": start, "end": end},
                "masking.unit": "word",
                "masking.content": content,
                "model.size": "modernbert-tiny-local",
                "model.dropout": 0.0,
                "training.max_steps": made.max_steps,
                "training.micro_batch_size": 16,
                "training.learning_rate": 2e-3,
                "training.logging_steps": made.logging_steps,
                "training.save_steps": 250,
                "training.seed": made.seed,
                "evaluation.every_steps": made.logging_steps * made.held_out_every,
            },
        )
    )
    sections = {name: config[name] for name in ("masking", "model", "training", "evaluation")}
    corpus = {"path": "/data/corpus", "fingerprint": made.fingerprint}
    plain: dict[str, Any] = json.loads(json.dumps({"corpus": corpus, **sections}))
    return {"recipe": made.recipe, **plain}


def _environment(made: SyntheticRun) -> dict[str, Any]:
    corpus: dict[str, Any] = {"path": "/data/corpus", "fingerprint": made.fingerprint}
    if made.classes:
        corpus["class_share"] = CORPUS_SHARE
    return {"versions": VERSIONS, "device": "cpu", "corpus": corpus}


def _ratio(made: SyntheticRun, progress: float) -> float:
    shape, start, end = made.schedule
    if shape == "constant":
        return start
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def _learned(made: SyntheticRun, progress: float) -> float:
    """Share of the way from the first loss to the last one."""
    return 1 - math.exp(-4.5 * made.gain * progress)


def _class_loss(made: SyntheticRun, name: str, progress: float) -> float:
    speed = 2.2 if FINAL_LOSS[name] < 4 else 0.9
    left = math.exp(-5 * speed * progress)
    return FINAL_LOSS[name] + (8.1 - FINAL_LOSS[name]) * left


def _weights(made: SyntheticRun, losses: dict[str, float], progress: float) -> dict[str, float]:
    if made.weighting == "uniform":
        return dict.fromkeys(losses, 0.5)
    values = np.array(list(losses.values()))
    blend = min(max(progress / 0.05 - 1, 0.0), 1.0)
    score = (values - values.mean()) / max(float(values.std(ddof=1)), 1e-9)
    weights = 0.5 * (1 - blend) + blend / (1 + np.exp(-2 * score))
    return dict(zip(losses, weights.tolist(), strict=True))


def _records(made: SyntheticRun, rng: np.random.Generator) -> list[dict[str, Any]]:
    records, predicted, wall = [], 0, 0.0
    steps = [*range(made.logging_steps, made.last_step + 1, made.logging_steps)]
    for number, step in enumerate(steps, start=1):
        progress = step / made.max_steps
        ratio = _ratio(made, progress)
        seen = 1024 * made.logging_steps
        selected = int(rng.binomial(seen, ratio))
        predicted += selected
        wall += made.logging_steps * (0.09 + 0.1 * ratio) * (1 + 0.04 * rng.standard_normal())
        record: dict[str, Any] = {
            "step": step,
            "progress": progress,
            "tokens_seen": 1024 * step,
            "predicted_tokens": predicted,
            "wall_seconds": wall,
            "device_seconds": 2 * wall,
            "flops": 6e6 * 1024 * step + 2e6 * predicted,
            "loss": 8.3 - 3 * _learned(made, progress) + 0.1 * rng.standard_normal(),
            "learning_rate": 2e-3 * (1 - progress),
            "grad_norm": 1.2 + 0.1 * rng.standard_normal(),
            "masking/ratio": ratio,
            "masking/realised_ratio": selected / seen,
            "tokens_per_second": 1024 * step / wall,
        }
        if made.classes:
            record |= _class_metrics(made, progress, selected, number, rng)
        if made.held_out_every and number % made.held_out_every == 0:
            record |= {
                name: value + 0.01 * rng.standard_normal()
                for name, value in _held_out_losses(made, progress).items()
            }
        records.append(record)
    return records


def _class_metrics(
    made: SyntheticRun, progress: float, selected: int, number: int, rng: np.random.Generator
) -> dict[str, Any]:
    losses = {name: _class_loss(made, name, progress) for name in CORPUS_SHARE}
    weights = _weights(made, losses, progress)
    expected = np.array([CORPUS_SHARE[name] * weights[name] for name in CORPUS_SHARE])
    counts = rng.multinomial(selected, expected / expected.sum())
    unseen = {"X"} if number == 1 else set()
    metrics: dict[str, Any] = {}
    for name, count in zip(CORPUS_SHARE, counts.tolist(), strict=True):
        noise = 0.004 / CORPUS_SHARE[name] ** 0.5 * rng.standard_normal()
        metrics[f"class_loss/{name}"] = None if name in unseen else losses[name] + noise
        metrics[f"class_weight/{name}"] = weights[name]
        metrics[f"class_share/{name}"] = count / selected
    return metrics


def _held_out_losses(made: SyntheticRun, progress: float) -> dict[str, float]:
    last = {"loss_5": 4.95, "loss_15": 5.2, "loss_30": 5.55}
    last |= {f"word_{name}": value + 0.4 for name, value in last.items()}
    learned = {
        f"held_out/{name}": 7.4 - (7.4 - low) * _learned(made, progress)
        for name, low in last.items()
    }
    return {"held_out/loss": sum(learned.values()) / 6, **learned}


def _held_out(made: SyntheticRun, rng: np.random.Generator) -> dict[str, Any]:
    metrics: dict[str, Any] = {
        "unigram_cross_entropy": UNIGRAM_CROSS_ENTROPY,
        "unigram_entropy": UNIGRAM_ENTROPY,
        "num_tokens": 20000,
    }
    progress = made.last_step / made.max_steps
    for name, value in _held_out_losses(made, progress).items():
        metrics[name] = value
        metrics[f"{name}_standard_error"] = 0.02
        if name == "held_out/loss":
            continue
        for band, more in BANDS.items():
            metrics[f"{name}/frequency/{band}"] = value + more
        if made.classes:
            for kind, loss in FINAL_LOSS.items():
                metrics[f"{name}/{kind}"] = loss + 0.05 * rng.standard_normal()
    metrics["held_out/own_loss"] = 5.0 + 0.1 * rng.standard_normal()
    metrics["held_out/own_loss_standard_error"] = 0.02
    return metrics


def read_runs(directories: Sequence[Path]) -> list[ComparedRun]:
    """The runs of a comparison, without a look at whether run.yaml is a real one."""
    return in_arms([read_run(RunSource(directory=directory)) for directory in directories])


def write_comparison(directories: Sequence[Path], *, out: Path) -> Comparison:
    """The page of such runs."""
    return write_page(read_runs(directories), ComparisonQuestion(), out=out)
