"""Settings that change how a step is computed, and not what comes out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from torch import nn

from places import SUPPORT
from small_runs import records, same_weights, started, trained, trainer_of, warm_command
from tidemask.training.settings import TrainingSettings

QUIET = ("evaluation.every_steps=0", "training.logging_steps=1")


_SMALL = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32}
ARCHITECTURES = {
    "bert": {**_SMALL, "num_hidden_layers": 1},
    "modernbert": {**_SMALL, "num_hidden_layers": 2, "global_attn_every_n_layers": 2},
}
"""As few layers as have all that is compiled: how long that takes is for each layer."""
POLICIES = {
    "bert": (
        "bandit-ratio",
        "masking.ratio.block_steps=2",
        "masking.content={weighting: mixture, parts: ["
        "{share: 0.5, content: {weighting: model_score, mapping: {map: rank}, every_steps: 2}}, "
        "{share: 0.5, content: {weighting: frequency}}]}",
    ),
    "modernbert": ("mrd-linear",),
}
"""A ratio that falls from 30 % to nothing; one that is measured, with positions that are scored."""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_compiled_run_gives_the_same_and_compiles_once(
    architecture: str, corpus: Path, tmp_path: Path
) -> None:
    """No ratio compiles again, nor does the evaluation; scoring has a graph of its own."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model_type": architecture, **ARCHITECTURES[architecture]}))
    recipe, *policy = POLICIES[architecture]
    settings = (*QUIET, "model.dropout=0.0", "model.size=null", f"model.config={config}",
                "evaluation.every_steps=4", *policy)  # fmt: skip
    eager = trained(corpus, tmp_path / "eager", recipe, *settings)
    compiled = started(corpus, tmp_path / "compiled", recipe, *settings, "training.compile=true")
    done = subprocess.run(
        warm_command(SUPPORT / "counted_graphs.py", "resume", str(compiled.root)),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Compiling the model") == 1
    graphs = int(done.stdout.rpartition("graphs ")[2])
    assert 1 <= graphs <= 4, "padded or not, up to the head and after it"
    for a, b in zip(records(eager), records(compiled), strict=True):
        assert b["masking/realised_ratio"] == a["masking/realised_ratio"]
        assert b == pytest.approx(a, rel=1e-3, nan_ok=True)


@pytest.mark.slow
def test_gradient_checkpointing_gives_the_same_to_the_last_bit(
    corpus: Path, tmp_path: Path
) -> None:
    """Dropout included: the second forward pass draws what the first did."""
    plain = trained(corpus, tmp_path / "plain", "bert", *QUIET)
    again = trained(
        corpus, tmp_path / "again", "bert", *QUIET, "training.gradient_checkpointing=true"
    )
    assert records(again) == records(plain)
    assert same_weights(again, plain)


@pytest.mark.parametrize("size", ["bert-tiny", "roberta-tiny", "modernbert-tiny"])
def test_norms_and_biases_do_not_decay_and_all_else_does(
    size: str, corpus: Path, tmp_path: Path
) -> None:
    run = started(corpus, tmp_path / "run", "bert", f"model.size={size}")
    trainer = trainer_of(run)
    optimizer = trainer.create_optimizer()
    decaying, others = (
        {id(p) for p in group["params"]}
        for group in sorted(optimizer.param_groups, key=lambda group: -group["weight_decay"])
    )
    of_norms = {
        id(p)
        for module in trainer.model.modules()
        if isinstance(module, nn.LayerNorm)
        for p in module.parameters()
    }
    named = dict(trainer.model.named_parameters())
    spared = {id(p) for name, p in named.items() if name.endswith("bias")} | of_norms
    assert others == spared
    assert decaying == {id(p) for p in named.values()} - spared
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.98)
    assert optimizer.param_groups[0]["eps"] == 1e-6
    assert optimizer.param_groups[0]["fused"]


def test_cut_cross_entropy_is_refused_in_float32() -> None:
    with pytest.raises(ValueError, match="head=cut_cross_entropy with precision=float32"):
        TrainingSettings(head="cut_cross_entropy", precision="float32")
