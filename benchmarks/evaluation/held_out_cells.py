"""Held-out loss of saved models once more, without tidemask: do the six cells agree?

    python benchmarks/evaluation/held_out_cells.py RUN [RUN ...] --draws 2 --seed 1

Nothing of tidemask is imported. A run's final model and tokenizer are loaded by transformers, the
held-out rows by pyarrow, and masks are drawn by NumPy: each token, or each word, is selected by
itself with the chance of the ratio, and every selected position shows the mask token. Words are
found by the `##` of a WordPiece tokenizer, not by what preparation recorded. A loss is the sum over
the selected tokens over their number, its standard error that of a ratio over sequences.

What the run recorded is of the same text under other masks. So the difference is taken sequence by
sequence, which leaves the chance of the masks alone: `z` is the difference over its standard error,
and is within 2 nineteen times of twenty if both measure the same. The exit status is 1 if one is
beyond `--limit`.

Dimensions: `S` sequences, `L` positions, `V` vocabulary entries.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import yaml
from numpy.typing import NDArray
from transformers import AutoModelForMaskedLM, AutoTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.command import OneLineParser

CELLS = {
    f"held_out/{'word_' if unit == 'word' else ''}loss_{percent}": (unit, percent)
    for unit in ("token", "word")
    for percent in (5, 15, 30)
}
"""Name of each loss in a run's record, with its unit and per cent."""
MEAN = "held_out/loss"
_SEQUENCES_AT_ONCE = 4

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class HeldOutText:
    """The held-out rows of a corpus.

    Attributes:
        ids: int64 `[S, L]`.
        attended: which positions are no padding, bool `[S, L]`.
        maskable: which are neither special nor padding, bool `[S, L]`.
        word: number of each position's word in its row, int64 `[S, L]`.
    """

    ids: NDArray[np.int64]
    attended: Flags
    maskable: Flags
    word: NDArray[np.int64]


def read_text(corpus: Path, tokenizer: Any) -> HeldOutText:
    """Reads the held-out split and finds its words by the tokens' spelling."""
    tables = []
    for path in sorted((corpus / "held_out").glob("*.arrow")):
        with pa.memory_map(str(path)) as source:
            tables.append(pa.ipc.open_stream(source).read_all())
    columns = pa.concat_tables(tables)
    ids = np.array(columns["input_ids"].to_pylist(), dtype=np.int64)
    attended = np.arange(ids.shape[1]) < np.array(columns["length"].to_pylist())[:, None]
    special = np.isin(ids, tokenizer.all_special_ids)
    spellings = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    continues = np.array([str(spelling).startswith("##") for spelling in spellings])
    # A piece at the start of a row, or behind a special token, is a word of its own.
    behind = np.pad(special, ((0, 0), (1, 0)), constant_values=True)[:, :-1]
    starts = ~continues[ids] | special | behind
    return HeldOutText(ids, attended, attended & ~special, starts.cumsum(axis=1))


def select(text: HeldOutText, unit: str, percent: int, rng: np.random.Generator) -> Flags:
    """Draws the positions to predict, bool `[S, L]`."""
    draws = rng.random(text.ids.shape)
    if unit == "word":
        draws = np.take_along_axis(draws, text.word - 1, axis=1)  # one draw for each word
    return text.maskable & (draws < percent / 100)


@torch.no_grad()
def summed_losses(
    model: Any, text: HeldOutText, selected: Flags, mask_id: int
) -> tuple[Floats, Floats]:
    """Summed loss, nats, and number of selected tokens of each sequence, float64 `[S]`."""
    sums = []
    for begin in range(0, len(text.ids), _SEQUENCES_AT_ONCE):
        part = slice(begin, begin + _SEQUENCES_AT_ONCE)
        ids, chosen = torch.from_numpy(text.ids[part]), torch.from_numpy(selected[part])
        logits = model(
            input_ids=ids.masked_fill(chosen, mask_id),
            attention_mask=torch.from_numpy(text.attended[part]).long(),
        ).logits[chosen]
        losses = torch.zeros(chosen.shape, dtype=torch.float64)
        losses[chosen] = torch.nn.functional.cross_entropy(
            logits.double(), ids[chosen], reduction="none"
        )
        sums.append(losses.sum(1).numpy())
    return np.concatenate(sums), selected.sum(axis=1).astype(np.float64)


@dataclass(frozen=True)
class Loss:
    """A mean loss, and what each sequence adds to its error, float64 `[S]`, both in nats."""

    mean: float
    influence: Floats

    @classmethod
    def of(cls, sums: Floats, counts: Floats) -> Loss:
        """The ratio of two sums over sequences, to first order (Cochran 1977, section 6.3)."""
        mean = sums.sum() / counts.sum()
        return cls(float(mean), (sums - mean * counts) / counts.sum())

    @classmethod
    def average(cls, losses: Sequence[Loss]) -> Loss:
        """The mean of losses on the same sequences."""
        influence = np.mean([loss.influence for loss in losses], axis=0)
        return cls(float(np.mean([loss.mean for loss in losses])), influence)

    @property
    def error(self) -> float:
        """Standard error over sequences."""
        return float(np.linalg.norm(self.influence))


def measured(
    model: Any, text: HeldOutText, mask_id: int, *, draws: int, seed: int
) -> dict[str, Loss]:
    """The loss in each cell, under masks drawn for it alone."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, (unit, percent) in CELLS.items():
        parts = [
            summed_losses(model, text, select(text, unit, percent, rng), mask_id)
            for _ in range(draws)
        ]
        sums, counts = np.sum(parts, axis=0)
        found[name] = Loss.of(sums, counts)
    return found


def recorded(run: Path, num_sequences: int) -> dict[str, Loss]:
    """The same as the run kept it, beside the numbers of its result."""
    with np.load(run / "evaluation" / "held-out--final.npz") as kept:
        arrays = {name: kept[name] for name in ("losses", "rows", "sums", "counts")}
    metrics = json.loads((run / "evaluation" / "held-out--final.json").read_text())["metrics"]
    assert arrays["rows"].tolist() == list(range(num_sequences)), "measured on a part of the rows"
    found = {}
    for name, sums, counts in zip(arrays["losses"], arrays["sums"], arrays["counts"], strict=True):
        if name in CELLS:
            found[str(name)] = Loss.of(sums.astype(np.float64), counts.astype(np.float64))
            assert np.isclose(found[str(name)].mean, metrics[name], rtol=1e-5), name
    return found


@dataclass(frozen=True)
class Agreement:
    """One loss of a run, measured here and recorded there."""

    name: str
    ours: Loss
    theirs: Loss

    @property
    def z(self) -> float:
        """The difference over its standard error, paired by sequence."""
        error = np.linalg.norm(self.ours.influence - self.theirs.influence)
        return (self.ours.mean - self.theirs.mean) / float(error)


def compare(run: Path, *, draws: int, seed: int) -> Iterator[Agreement]:
    """Measures a finished run again; one result for each cell, the mean of all last."""
    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    model = AutoModelForMaskedLM.from_pretrained(run / "model", dtype=torch.float32).eval()
    corpus = Path(yaml.safe_load((run / "run.yaml").read_text())["corpus"]["path"])
    text = read_text(corpus, tokenizer)
    theirs = recorded(run, len(text.ids))
    ours = measured(model, text, tokenizer.mask_token_id, draws=draws, seed=seed)
    for name in CELLS:
        yield Agreement(name, ours[name], theirs[name])
    yield Agreement(MEAN, *(Loss.average([of[name] for name in CELLS]) for of in (ours, theirs)))


def _shown(loss: Loss) -> str:
    return f"{loss.mean:.4f} ± {loss.error:.4f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table; returns 1 if a loss disagrees."""
    parser = OneLineParser(prog="held_out_cells.py", description="The six cells, measured again.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a finished run")
    parser.add_argument("--draws", type=int, default=2, help="maskings of each cell")
    parser.add_argument("--seed", type=int, default=1, help="of the masks")
    parser.add_argument("--limit", type=float, default=4.0, help="of |z|")
    options = parser.parse_args(arguments)
    print("| run | loss | here | recorded | difference | z |")
    print("|---|---|--:|--:|--:|--:|")
    worst = 0.0
    for run in options.runs:
        for found in compare(run, draws=options.draws, seed=options.seed):
            ours, theirs = map(_shown, (found.ours, found.theirs))
            difference = f"{found.ours.mean - found.theirs.mean:+.4f}"
            cells = (run.name, f"`{found.name}`", ours, theirs, difference, f"{found.z:+.2f}")
            print("|", " | ".join(cells), "|", flush=True)
            worst = max(worst, abs(found.z))
    print(f"\nlargest |z|: {worst:.2f}", file=sys.stderr)
    return int(worst > options.limit)


if __name__ == "__main__":
    sys.exit(main())
