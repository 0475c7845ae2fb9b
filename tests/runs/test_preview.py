"""The preview: what a policy does to a passage, and what it counts over many sequences."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from cases import one_in
from tidemask.cli.preview import length_line, passage
from tidemask.corpus.store.shards import Shard
from tidemask.errors import UserError
from tidemask.evaluation.held_out_tasks import HeldOutText
from tidemask.modeling.settings import ModelSettings
from tidemask.runs.config import load_recipe
from tidemask.runs.preview import LONGEST, SHARE_SEQUENCES, PreviewStep, preview

LEVEL = 1e-4


def shown(corpus: Path, recipe: str, *settings: str, progress: float = 0.5) -> PreviewStep:
    loaded = load_recipe(recipe, settings)
    return preview(corpus, loaded, progress=[progress])[0]


def words_of_each_length(corpus: Path) -> Counter[int]:
    """Words by their tokens, from every maskable token of the counted sequences, one by one."""
    counts: Counter[int] = Counter()
    whole = load_recipe("bert", ["masking.ratio.ratio=0.0"])
    for sequence in range(SHARE_SEQUENCES):
        try:
            step = preview(corpus, whole, progress=[0.0], sequence=sequence)[0]
        except ValueError:
            break
        sizes: list[int] = []
        for token in step.tokens:
            if token.starts_word:
                sizes.append(0)
            sizes[-1] += 1
        counts.update(sizes)
    return counts


@pytest.mark.parametrize("ratio", one_in(2, [0.02, 0.15]))
@pytest.mark.parametrize("unit", ["token", "word"])
def test_preview_shows_that_inclusion_is_flat_in_the_length_of_words(
    unit: str, ratio: float, corpus: Path
) -> None:
    """Each share lies within the binomial law of its words; of tokens, were they alone."""
    settings = f"masking.unit={unit}", f"masking.ratio.ratio={ratio}"
    step = shown(corpus, "bert", *settings)
    counts = words_of_each_length(corpus)
    for name, share in step.length_ratios.items():
        lengths = [n for n in counts if min(n, LONGEST) == int(name.rstrip("+"))]
        tokens = sum(n * counts[n] for n in lengths)
        squares = sum((n * n if unit == "word" else n) * counts[n] for n in lengths)
        deviation = (ratio * (1 - ratio) * squares) ** 0.5 / tokens
        z = abs(share - ratio) / deviation
        assert stats.norm.sf(z) > LEVEL, (name, share, z)


def test_preview_takes_numbers_of_numpy(corpus: Path) -> None:
    own = preview(corpus, progress=[0.0, 0.5, 1.0], sequence=3)
    assert preview(corpus, progress=np.linspace(0, 1, 3), sequence=np.int64(3)) == own
    assert preview(corpus, progress=np.float32(0.5), sequence=3) == own[1:2]
    for progress in (np.array([0.5, 1.5]), float("nan"), [True], "half"):
        with pytest.raises(UserError, match="progress outside its range: "):
            preview(corpus, progress=progress)  # type: ignore[arg-type]
    for sequence in (-1, 1 << 40, True, 1.0):
        with pytest.raises(UserError, match=r"no such sequence: sequence=.* Expected an integer"):
            preview(corpus, sequence=sequence)  # type: ignore[arg-type]


def test_preview_marks_what_is_hidden_and_not_predicted(corpus: Path) -> None:
    step = shown(corpus, "ankner-subset", progress=0.0)
    states = Counter(token.state for token in step.tokens)
    assert states["hidden"] > 0
    text = passage(step.tokens, in_colour=False).plain
    hidden = next(token for token in step.tokens if token.state == "hidden")
    assert f"({hidden.original})" in text


def test_preview_masks_only_the_named_classes(corpus: Path) -> None:
    step = shown(corpus, "nouns-only")
    masked = {name: share for name, (share, _) in step.class_shares.items() if share > 0}
    assert set(masked) <= {"NOUN", "PROPN"}
    assert sum(masked.values()) == pytest.approx(1.0)


def test_preview_says_the_shares_by_length() -> None:
    line = length_line({"1": 0.15, "4+": 0.149})
    assert line == "masked, by the word's length in tokens: 1: 15.0 %  4+: 14.9 %"


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [(0, 255, "input_ids=255"), (2, 200, "token_class=200. Expected classes in \\[0, 17\\)")],
    ids=["id", "class"],
)
def test_preview_names_a_corpus_with_damaged_rows(
    column: int, value: int, problem: str, corpus: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    (path,) = (copy / "held_out").iterdir()
    shard = Shard.open(path)
    width = shard.id_type if column == 0 else np.dtype(np.uint8)
    with path.open("r+b") as file:
        file.seek(shard.offsets[column] + width.itemsize)  # of the second token
        file.write(np.array([value], width).tobytes())
    with pytest.raises(UserError, match=f"damaged corpus: the rows in {copy}: {problem}"):
        preview(copy)
    with pytest.raises(UserError, match="corpus changed"):
        _ = HeldOutText(corpus=copy, model=ModelSettings()).data
