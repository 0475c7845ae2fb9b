"""The preview: what a policy does to a passage, and what it counts over many sequences."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from scipy import stats
from transformers import AutoModelForMaskedLM

import tidemask
from cases import one_in
from finished_runs import recorded_config
from small_runs import TINY
from tidemask.annotation.annotate import annotate
from tidemask.cli.previewed_text import length_line, parts_line, passage_text, show_preview
from tidemask.corpus.store.columns import open_column
from tidemask.corpus.store.corpus import open_corpus
from tidemask.corpus.store.shards import Shard
from tidemask.errors import UserError
from tidemask.evaluation.held_out_tasks import HeldOutText
from tidemask.modeling.settings import ModelSettings
from tidemask.run_record import RunDirectory
from tidemask.runs.config import load_recipe, to_yaml
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.logged_losses import logged_near
from tidemask.runs.preview import (
    LONGEST,
    SHARE_SEQUENCES,
    PreviewPassage,
    PreviewStep,
    PreviewToken,
    preview,
)
from tidemask.token_classes import NO_CLASS

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
@pytest.mark.slow
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
    text = passage_text(step.passages[0], in_colour=False).plain
    hidden = next(token for token in step.tokens if token.state == "hidden")
    assert f"⟮{hidden.original}⟯" in text


def passage_of(tokens: list[PreviewToken], **fields: Any) -> PreviewPassage:
    usual: dict[str, Any] = {"sequence": 0, "ratio": 0.15, "part": "", "unit": "word"}
    return PreviewPassage(**{**usual, "weightings": (), "tokens": tokens, **fields})


def test_preview_without_colour_has_other_brackets_than_text_has() -> None:
    tokens = [
        PreviewToken(text, "visible", text, True, is_spaced=number > 0, unit=number)
        for number, text in enumerate(("[link]", "(see", "<b>", "{x}"))
    ]
    states = ("mask", "random", "kept", "hidden")
    tokens += [PreviewToken("seen", state, "was", True, unit=9) for state in states]
    plain = passage_text(passage_of(tokens), in_colour=False).plain
    assert plain == "[link] (see <b> {x} ⌊⟦was⟧ ⟪seen←was⟫ ⟨was⟩ ⟮was⟯⌋"


def test_preview_masks_only_the_named_classes(corpus: Path) -> None:
    step = shown(corpus, "nouns-only")
    masked = {name: share for name, (share, _) in step.class_shares.items() if share > 0}
    assert set(masked) <= {"NOUN", "PROPN"}
    assert sum(masked.values()) == pytest.approx(1.0)


def test_preview_counts_the_tokens_without_a_class(corpus: Path, tmp_path: Path) -> None:
    """A list has classes for few tokens: with the others their shares add up to all."""
    copy = tmp_path / "corpus"
    shutil.copytree(corpus, copy)
    (tmp_path / "list.txt").write_text("river\tWATER\nthe\tARTICLE\n", encoding="utf-8")
    annotate(
        copy, column="things", source=f"list:{tmp_path / 'list.txt'}", workers=1, progress=False
    )
    table = "masking.content={weighting: table, classes: things, weights: {WATER: 5}, others: 1}"
    step = shown(copy, "bert", table)
    assert list(step.class_shares) == ["ARTICLE", "WATER", "others"]
    for of_all in (False, True):
        assert sum(shares[of_all] for shares in step.class_shares.values()) == pytest.approx(1.0)
    column = open_column(open_corpus(copy), "things").held_out
    batch = CorpusInputs.of(open_corpus(copy)).held_out_set().__getitems__(range(len(column)))
    without = column.of_rows(range(len(column)))[batch.maskable.numpy()] == NO_CLASS
    assert step.class_shares["others"][1] == pytest.approx(without.mean())


def test_preview_says_where_weights_of_0_leave_the_budget_unmet(corpus: Path) -> None:
    """Two classes are fewer than 90 % of the tokens; of all the rest each sequence lacks some."""
    step = shown(corpus, "nouns-only", "masking.ratio.ratio=0.9")
    data = CorpusInputs.of(open_corpus(corpus))
    batch = data.held_out_set().__getitems__(range(len(data.corpus.held_out)))
    names = data.corpus.manifest.class_names
    nouns = torch.isin(batch.token_class, torch.tensor([names.index(n) for n in ("NOUN", "PROPN")]))
    budgets = 0.9 * batch.maskable.sum(1)
    missing = (budgets - (nouns & batch.maskable).sum(1)).clamp(min=0).sum() / batch.maskable.sum()
    assert step.shortfall == pytest.approx(float(missing), rel=1e-6)
    said = f"{100 * float(missing):.1f} % of all are missing from the 90.0 % that the ratio asks"
    assert said in step.budget_note
    console = Console(file=io.StringIO(), width=100)
    show_preview(console, [step], recipe="nouns-only")
    assert "weights of 0 leave too few tokens" in console.file.getvalue()  # type: ignore[attr-defined]
    assert shown(corpus, "bert").budget_note == ""


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
    (path,) = (copy / "held_out").glob("rows-*")
    shard = Shard.open(path)
    width = shard.id_type if column == 0 else np.dtype(np.uint8)
    with path.open("r+b") as file:
        file.seek(shard.offsets[column] + width.itemsize)  # of the second token
        file.write(np.array([value], width).tobytes())
    with pytest.raises(UserError, match=f"damaged corpus: the rows in {copy}: {problem}"):
        preview(copy)
    with pytest.raises(UserError, match="corpus changed"):
        _ = HeldOutText(corpus=copy, model=ModelSettings()).data


def test_preview_names_a_damaged_column(corpus: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    (tmp_path / "list.txt").write_text("the\tA\nshe\tB\nriver\tC\n", encoding="utf-8")
    source = f"list:{tmp_path / 'list.txt'}"
    annotate(copy, column="terms", source=source, workers=1, progress=False)
    manifest = copy / "columns" / "terms" / "column.json"
    manifest.write_text(manifest.read_text().replace('"A",\n    "B",', '"A",'))
    recipe = load_recipe("bert", ["masking.content={weighting: class_loss, classes: terms}"])
    with pytest.raises(UserError, match=r"damaged column: .*columns\['terms'\]=2. Expected a"):
        preview(copy, recipe)


def test_preview_names_the_parts_of_a_policy_with_their_shares(corpus: Path) -> None:
    phases = preview(corpus, "codemodernbert-owl", progress=[0.0, 0.5])
    assert [step.parts for step in phases] == [{"token, uniform": 1.0}, {"span, uniform": 1.0}]
    (hybrid,) = preview(corpus, "spanbert-hybrid", progress=0.0)
    assert parts_line(hybrid.parts) == "sequences: 50 % span, uniform  50 % token, uniform"
    (plain,) = preview(corpus, "bert", progress=0.0)
    assert plain.parts == {}


def test_preview_shows_each_side_of_where_a_policy_changes(corpus: Path) -> None:
    """Of the phases of a policy, of a ratio and of a share: the last step before, and the first."""
    for settings in (
        ["masking.phases=[{until: 0.3, unit: token}, {until: 1.0, unit: span}]"],
        [
            "masking.ratio.schedule=phases",
            "masking.ratio.phases=[{until: 0.3, ratio: 0.3}, {until: 1, ratio: 0}]",
        ],
    ):
        recipe = load_recipe("bert", [*settings, "training.max_steps=70"])
        steps = preview(corpus, recipe)
        assert [step.step for step in steps] == [0, 20, 21, 35, 70]
        assert [step.progress for step in steps][1:3] == [20 / 70, 21 / 70]
        before, after = steps[1:3]
        assert (before.note, after.note) == (
            "the last step before the border at 0.3", "the first step after the border at 0.3"
        )  # fmt: skip
        changed = before.parts != after.parts or before.ratio != after.ratio
        assert changed
        assert (steps[0].parts, steps[0].ratio) == (before.parts, before.ratio)


def test_preview_says_chance_weight_and_class_of_each_token(corpus: Path) -> None:
    (step,) = preview(corpus, "nouns-only", progress=0.5, sequence=[1, 0])
    assert [passage.sequence for passage in step.passages] == [1, 0]
    for passage in step.passages:
        for token in passage.tokens:
            is_noun = token.class_name in ("NOUN", "PROPN")
            assert (token.weight > 0) == (token.inclusion > 0) == is_noun  # type: ignore[operator]
        expected = sum(token.inclusion or 0.0 for token in passage.tokens) / len(passage.tokens)
        assert expected == pytest.approx(step.ratio, rel=1e-3)
    fixed = shown(corpus, "bert", "masking.budget=fixed")
    assert {token.inclusion for token in fixed.tokens} == {None}


def test_preview_names_the_weighting_that_each_word_is_due_to(corpus: Path) -> None:
    """Words that one weighting alone can select are never said to be another's."""
    table = "{share: 0.5, content: {weighting: table, weights: {VERB: 1}}}"
    settings = (
        f"masking.content={{weighting: mixture, parts: [{table}, {table.replace('VERB', 'NOUN')}]}}"
    )
    (step,) = preview(corpus, load_recipe("bert", [settings]), progress=0.5, sequence=range(6))
    found = {
        (token.class_name, token.due_to, passage.weightings)
        for passage in step.passages
        for token in passage.tokens
        if token.state != "visible"
    }
    names = ("50 % table", "50 % table")
    assert found == {("VERB", 0, names), ("NOUN", 1, names)}
    texts = [passage_text(passage, in_colour=False).plain for passage in step.passages]
    assert any("⟧¹" in text for text in texts)
    assert any("⟧²" in text for text in texts)


@pytest.mark.parametrize("width", [40, 60, 100])
def test_preview_fits_narrow_terminals_with_wide_and_turned_letters(width: int) -> None:
    """Cells of Chinese count as two; no line is wider, and nothing is cut."""
    words = ["狐狸", "跳过", "懒狗", "שלום", "עולם", "fox"] * 12
    tokens = [
        PreviewToken(
            "שלום", ("visible", "mask", "random")[number // 2 % 3], word, True,
            is_spaced=number % 6 > 2, unit=number, weight=number % 5, class_name="NOUN", due_to=0,
        )
        for number, word in enumerate(words)
    ]  # fmt: skip
    passage = passage_of(tokens, weightings=("60 % uniform", "40 % column tfidf"))
    step = PreviewStep(
        progress=0.5, ratio=0.15, realised_ratio=0.15, class_shares={"NOUN": (1.0, 1.0)},
        length_ratios={"1": 0.15}, passages=[passage], parts={}, step=1, num_steps=2,
    )  # fmt: skip
    for colours in (None, "256"):
        console = Console(
            file=io.StringIO(), width=width, force_terminal=True, color_system=colours
        )
        show_preview(console, [step], recipe="recipe")
        printed = Text.from_ansi(console.file.getvalue()).plain  # type: ignore[attr-defined]
        assert max(map(cell_len, printed.splitlines())) <= width
        for word in ("懒狗", "masked", "² 40 % column tfidf", "kept, but predicted"):
            assert word in printed
        # A Hebrew word in the place of another: read from the right, the arrow points to the new.
        assert "שלום→עולם" in printed.replace("\n", "")


def test_preview_needs_no_colour_to_tell_its_marks_apart() -> None:
    """With NO_COLOR a terminal has bold letters, which say nothing of themselves."""
    tokens = [PreviewToken("seen", state, "was", True) for state in ("mask", "random", "kept")]
    step = PreviewStep(
        progress=0.5, ratio=0.15, realised_ratio=0.15, class_shares={}, length_ratios={},
        passages=[passage_of(tokens)], parts={}, step=1, num_steps=2,
    )  # fmt: skip
    console = Console(file=io.StringIO(), width=80, force_terminal=True, no_color=True)
    show_preview(console, [step], recipe="recipe")
    assert "⟦was⟧ ⟪seen←was⟫ ⟨was⟩" in console.file.getvalue()  # type: ignore[attr-defined]


def test_preview_needs_no_more_of_a_line_of_metrics_than_its_step(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    recipe = load_recipe("bert", ["training.max_steps=8"])
    config = recorded_config(recipe)
    run.config.write_text(to_yaml(config))
    run.metrics.write_text("".join(f'{{"step": {step}}}\n' for step in (0, 2, 4, 8)))
    found = [logged_near(run, progress)["step"] for progress in (0.0, 0.3, 0.4, 1.0)]
    assert found == [2, 2, 4, 8]


@pytest.mark.slow
def test_preview_with_a_run_shows_what_it_scored_and_learned(corpus: Path, tmp_path: Path) -> None:
    """Scores of its models, losses of entries in its checkpoints, and the ratio it chose."""
    settings = [*TINY, "training.max_steps=4", "training.save_steps=2", "training.logging_steps=1"]
    entries = "masking.content={weighting: class_loss, classes: vocabulary, horizon_steps: 1}"
    bandit = "masking.ratio={schedule: bandit, ratios: [0.1, 0.4], block_steps: 1, sequences: 2}"
    run = tmp_path / "run"
    policy = [*settings, entries, bandit]
    tidemask.pretrain(corpus, out=run, overrides=policy, progress=False)
    (learned,) = preview(corpus, load_recipe("bert", policy), run=run, progress=1.0)
    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert learned.ratio == logged[-1]["masking/ratio"]
    assert learned.passages[0].has_weights
    (scored,) = preview(corpus, "self-masking", run=run, progress=1.0)
    (alike,) = preview(corpus, "self-masking", progress=1.0)
    assert {token.weight for token in alike.tokens} == {1.0}
    model = AutoModelForMaskedLM.from_pretrained(run / "model").eval()
    rows = CorpusInputs.of(open_corpus(corpus)).held_out_set().__getitems__([0])
    with torch.no_grad():
        logits = model(rows.input_ids.long()).logits[0].double()
    entropy = torch.distributions.Categorical(logits=logits).entropy()[rows.maskable[0]]
    weights = torch.tensor([token.weight for token in scored.tokens])
    assert float(weights.std()) > 1e-5  # an untrained model is nearly as unsure everywhere
    torch.testing.assert_close(weights.double(), entropy / entropy.mean(), rtol=1e-6, atol=1e-6)
    statistic = "{weighting: class_statistic, statistic: loss, classes: vocabulary}"
    other = load_recipe("bert", [f"masking.content={statistic}"])
    with pytest.raises(UserError, match="nothing learned of vocabulary entries: the weights of"):
        preview(corpus, other, run=run)
