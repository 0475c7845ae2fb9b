"""The benchmark of masking: that it measures what it says, not how fast anything is."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from benchmarks.machine import conditions
from benchmarks.masking import peers, policies, speed
from benchmarks.masking.candidates import labelled_shares
from benchmarks.masking.data import masking_data
from benchmarks.masking.page import page
from benchmarks.masking.peers import import_seqmask
from tidemask.token_classes import UPOS

GROUPS = {"tidemask", "transformers", "numpy", "torch", "memory copy"}
SMALL = "16x64"

Json = dict[str, Any]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Json]:
    """What a quick run writes: one round of everything at two small shapes."""
    path = tmp_path_factory.mktemp("masking") / "rows.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "SHAPES", ((16, 64), (2, 16)))
        patch.setattr(speed, "QUICK", speed.Effort(rounds=1, checked_calls=1))
        before = speed.FILES.results_path().read_bytes()
        speed.main(["--quick", "--json", str(path)])
        assert before == speed.FILES.results_path().read_bytes()
    found: list[Json] = json.loads(path.read_text())
    return found


@pytest.fixture
def rows(written: list[Json]) -> list[Json]:
    """Those of the first shape."""
    return [dict(row) for row in written if row["shape"] == SMALL]


@pytest.mark.slow
def test_benchmarks_rows_of_every_group_in_both_modes(rows: list[Json]) -> None:
    groups = GROUPS | ({"seqmask"} if import_seqmask() else set())
    assert {row["group"] for row in rows} == groups
    for group in groups:
        assert {row["mode"] for row in rows if row["group"] == group} == {"alone", "as called"}
    names = [(row["group"], row["policy"], row["mode"]) for row in rows]
    assert len(set(names)) == len(names)


@pytest.mark.slow
def test_benchmarks_rows_say_what_the_issue_asks_for(rows: list[Json]) -> None:
    for row in rows:
        assert row["shape"] == SMALL
        assert 0 < row["tokens_per_second"] < math.inf
        low, high = row["quartiles"]
        assert low <= row["tokens_per_second"] <= high
        assert row["num_calls"] >= 4


@pytest.mark.slow
def test_benchmarks_every_unit_weighting_and_budget_takes_part(rows: list[Json]) -> None:
    names = {row["policy"] for row in rows if row["group"] == "tidemask"}
    weightings = policies.WEIGHTINGS
    for unit in ("token", "word", "span"):
        for weighting in weightings:
            for budget in ("expected", "fixed"):
                assert f"{unit}, {weighting}, {budget}" in names


@pytest.mark.slow
def test_benchmarks_candidates_mask_the_share_they_say() -> None:
    """The mean over calls lies within six standard errors, as the calls themselves spread.

    For Student's law with 11 degrees of freedom that is exceeded once in 10,000 times; the draws
    are seeded. Half a token of each sequence is for budgets rounded to whole ones.
    """
    data = masking_data(16, 64)
    candidates = [
        *policies.candidates(data),
        *peers.candidates(data),
    ]
    num_calls = 12
    for candidate in candidates:
        shares = labelled_shares(candidate, data.batch.maskable, calls=num_calls)
        mean = sum(shares) / num_calls
        variance = sum((share - mean) ** 2 for share in shares) / (num_calls - 1)
        name = f"{candidate.group}, {candidate.policy}, {candidate.mode}"
        if candidate.share is None:
            assert 0.1 < mean < 0.25, name
        else:
            allowed = 6.0 * math.sqrt(variance / num_calls) + 0.5 / 62
            assert abs(mean - candidate.share) < allowed, f"{name}: {mean}"


@pytest.mark.slow
def test_benchmarks_masker_and_collator_mask_alike() -> None:
    data = masking_data(4, 32)
    for policy in policies.policies():
        alone = policies.alone(policy, data)
        called = policies.as_called(policy, data)
        for step in range(2):
            masked, columns = alone.call(step), called.call(step)
            assert bool((masked.labels == columns["labels"]).all()), policy.name
            assert bool((masked.input_ids == columns["input_ids"]).all()), policy.name


@pytest.mark.slow
def test_benchmarks_text_is_like_text() -> None:
    data = masking_data(32, 128)
    batch = data.batch
    assert 1.2 < float(batch.maskable.sum() / batch.word_starts.sum()) < 1.4
    assert 28_000 < len(data.language.tokenizer) < 33_000
    assert not bool((batch.input_ids == data.language.tokenizer.unk_token_id).any())
    classed = batch.token_class[batch.word_starts]
    nouns = float((classed == UPOS.index("NOUN")).float().mean())
    assert 0.13 < nouns < 0.21  # 0.17 of 3,200 words: five standard deviations
    again = masking_data(32, 128)
    assert bool((again.batch.input_ids == batch.input_ids).all())


@pytest.mark.slow
def test_benchmarks_page_shows_the_data_and_nothing_else(rows: list[Json]) -> None:
    result = {**conditions(), "rows": rows}
    for row in rows:
        row["tokens_per_second"], row["quartiles"] = 123e6, [100e6, 150e6]
    written = page(result)
    assert "123 (100–150)" in written
    assert (
        "| transformers | uniform tokens | 123 (100–150) | 1.00 | 123 (100–150) | 1.00 |" in written
    )
    assert result["processor"] in written


@pytest.mark.slow
def test_benchmarks_quick_run_writes_rows_of_both_shapes(written: list[Json]) -> None:
    assert {row["shape"] for row in written} == {SMALL, "2x16"}
