"""Exp3.S against its formulas in plain weights, and the laws that it is chosen for."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cases import all_cases, random_examples
from tidemask import Batch, Masker, MaskingSettings, StepKey, Vocabulary
from tidemask.masking.ratio_bandit import Bandit, BanditState, scaled_reward
from tidemask.masking.schedule import Constant, mean_ratio
from tidemask.masking.sequence_ratio import RatioMixture, RatioPart, Same

GRID = (0.08, 0.15, 0.3, 0.45)


def choices(bandit: Bandit, reward_of, *, seed: int, num_blocks: int) -> list[int]:
    """The arms of a run in which an arm of a block is rewarded as the function says."""
    state, arms = bandit.new_state(), []
    for block in range(num_blocks):
        arms.append(bandit.choose(state, seed=seed, block=block))
        reward = reward_of(block, arms[-1])
        state = bandit.updated(state, arm=arms[-1], reward=reward, num_blocks=num_blocks)
    return arms


@random_examples(200)
@given(
    log_weights=st.lists(st.floats(-500, 500), min_size=2, max_size=9),
    exploration=st.floats(0.01, 1.0),
)
def test_probabilities_sum_to_one_above_the_floor(
    log_weights: list[float], exploration: float
) -> None:
    arms = tuple(np.linspace(0.1, 0.9, len(log_weights)))
    bandit = Bandit(ratios=arms, exploration=exploration)
    chances = bandit.probabilities(BanditState(log_weights=tuple(log_weights)))
    assert math.fsum(chances) == pytest.approx(1.0, abs=1e-12)
    assert min(chances) >= exploration / len(arms) * (1 - 1e-12)
    by_weight = sorted(zip(log_weights, chances, strict=True))
    assert all(a[1] <= b[1] for a, b in pairwise(by_weight))


def test_update_is_that_of_the_paper() -> None:
    """Auer et al. 2002, section 8, with plain weights: 60 blocks do not overflow them."""
    bandit, num_blocks = Bandit(ratios=GRID, exploration=0.4, history_blocks=5), 60
    draws, weights, rewards = random.Random(1), [1.0] * 4, []
    state = bandit.new_state()
    for _ in range(num_blocks):
        chances = [0.6 * weight / sum(weights) + 0.4 / 4 for weight in weights]
        assert bandit.probabilities(state) == pytest.approx(chances, rel=1e-10)
        arm, reward = draws.randrange(4), draws.gauss(0.0, 1.0)
        rewards = [*rewards, reward][-5:]
        low, high = np.quantile(rewards, [0.2, 0.8])
        scaled = 0.5 if low == high else float(np.clip((reward - low) / (high - low), 0, 1))
        estimate = [scaled / chances[arm] if other == arm else 0.0 for other in range(4)]
        total = sum(weights)
        weights = [
            weight * math.exp(0.4 * gain / 4) + math.e / num_blocks / 4 * total
            for weight, gain in zip(weights, estimate, strict=True)
        ]
        state = bandit.updated(state, arm=arm, reward=reward, num_blocks=num_blocks)


@all_cases(
    ("rewards", "scaled"),
    [
        ([3.0], 0.5),
        ([2.0, 2.0, 2.0], 0.5),
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 1.0),
        ([5.0, 4.0, 3.0, 2.0, 1.0, 0.0], 0.0),
        ([0.0, 1.0, 4.0, 5.0, 2.5, 2.5], 0.5),
    ],
)
def test_scaled_reward_of_known_rewards(rewards: list[float], scaled: float) -> None:
    assert scaled_reward(rewards) == pytest.approx(scaled)


@random_examples(200)
@given(rewards=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12))
def test_scaled_reward_is_that_of_numpy_whatever_the_unit(rewards: list[float]) -> None:
    low, high = np.quantile(rewards, [0.2, 0.8])
    found = scaled_reward(rewards)
    assert 0.0 <= found <= 1.0
    if high - low > 1e-3:
        expected = np.clip((rewards[-1] - low) / (high - low), 0.0, 1.0)
        assert found == pytest.approx(expected, abs=1e-6)
        assert scaled_reward([8.0 * reward for reward in rewards]) == found


@pytest.mark.slow
def test_choices_follow_the_probabilities() -> None:
    """4,000 blocks of one state: 3.9 standard errors, a chance of 1 in 10,000 for each arm."""
    bandit = Bandit(ratios=GRID)
    state = BanditState(log_weights=(0.0, 1.0, -1.0, 0.5))
    arms = [bandit.choose(state, seed=3, block=block) for block in range(4000)]
    for arm, chance in enumerate(bandit.probabilities(state)):
        bound = 3.9 * math.sqrt(chance * (1 - chance) / 4000)
        assert abs(arms.count(arm) / 4000 - chance) < bound
    others = [bandit.choose(state, seed=4, block=block) for block in range(4000)]
    assert sum(a == b for a, b in zip(arms, others, strict=True)) < 2000


def test_choice_is_made_without_a_generator() -> None:
    bandit, before = Bandit(), torch.get_rng_state()
    arms = [bandit.choose(bandit.new_state(), seed=0, block=block) for block in range(20)]
    assert torch.equal(torch.get_rng_state(), before)
    assert arms == [bandit.choose(bandit.new_state(), seed=0, block=b) for b in range(20)]
    assert len(set(arms)) > 1


def _falling(best: int):
    """Rewards that fall 30-fold over 100 blocks, as those of a run do; one arm gains 40 % more."""
    noise = random.Random(7)

    def reward(block: int, arm: int) -> float:
        level = (block + 3) ** -1.0
        return level * (1.0 + 0.4 * (arm == best) + noise.gauss(0.0, 0.05))

    return reward


@pytest.mark.slow
@all_cases("best", range(4))
def test_best_arm_is_chosen_most_while_all_rewards_fall(best: int) -> None:
    """The second halves of 20 runs together: 1,000 choices, 250 of them by chance alone."""
    late = [
        arm
        for seed in range(20)
        for arm in choices(Bandit(), _falling(best), seed=seed, num_blocks=100)[50:]
    ]
    counts = [late.count(arm) for arm in range(4)]
    assert counts[best] == max(counts)
    assert counts[best] > 350


def test_choice_follows_a_change_of_the_best_arm() -> None:
    """The best arm of 300 blocks is the first; that of the next 300 is the last."""

    def reward(block: int, arm: int) -> float:
        return float(arm == (0 if block < 300 else 3))

    runs = [choices(Bandit(), reward, seed=seed, num_blocks=600) for seed in range(5)]
    for arms in runs:
        assert arms[150:300].count(0) > 75
        assert arms[450:].count(3) > 75


def test_schedule_without_a_run_is_the_mean_of_the_grid() -> None:
    bandit = Bandit(ratios=GRID)
    assert bandit(0.0) == bandit(1.0) == pytest.approx(sum(GRID) / 4)
    assert mean_ratio(bandit) == pytest.approx(sum(GRID) / 4)


@all_cases(
    ("num_steps", "block_steps", "steps", "blocks"),
    [(2000, "auto", 20, 100), (2050, "auto", 21, 98), (8, "auto", 1, 8), (8, 3, 3, 3)],
)
def test_blocks_of_a_run(num_steps: int, block_steps, steps: int, blocks: int) -> None:
    bandit = Bandit(block_steps=block_steps)
    assert bandit.steps_of_block(num_steps) == steps
    assert bandit.num_blocks(num_steps) == blocks


@all_cases(
    ("settings", "message"),
    [
        ({"ratios": (0.15,)}, r"ratios=\[0.15\]. Expected at least two ratios .*schedule=constant"),
        ({"ratios": ()}, r"ratios=\[\]. Expected at least two"),
        ({"ratios": (0.0, 0.15)}, r"ratios=\[0.0, 0.15\]. Expected .* above 0"),
        ({"ratios": (0.3, 0.15)}, r"ratios=.*ascending"),
        ({"ratios": (0.15, 0.15)}, r"ratios=.*ascending"),
        ({"ratios": (0.15, 1.5)}, r"ratios=1.5. Expected a number from 0 to 1"),
        ({"block_steps": 0}, "block_steps=0. Expected a number of at least 1"),
        ({"sequences": 0}, "sequences=0. Expected a number of at least 1"),
        ({"history_blocks": 1}, "history_blocks=1. Expected a number of at least 2"),
        ({"exploration": 0.0}, "exploration=0. Expected a number above 0, at most 1"),
        ({"exploration": 1.1}, "exploration=1.1. Expected a number above 0, at most 1"),
    ],
)
def test_wrong_settings_are_refused(settings, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Bandit(**settings)


@all_cases("reward", [math.nan, math.inf])
def test_reward_that_is_not_finite_is_refused(reward: float) -> None:
    bandit = Bandit()
    with pytest.raises(ValueError, match=r"reward=.*Expected a finite number"):
        bandit.updated(bandit.new_state(), arm=0, reward=reward, num_blocks=10)


def test_policy_is_checked_at_the_highest_arm() -> None:
    halves = RatioMixture(
        parts=(RatioPart(share=0.5, mean=0.3, of=Same()), RatioPart(share=0.5, mean=0.1, of=Same()))
    )
    assert MaskingSettings(ratio=Bandit(ratios=(0.1, 0.6)), per_sequence=halves)
    with pytest.raises(ValueError, match=r"a part has a mean ratio of 1\.35"):
        MaskingSettings(ratio=Bandit(ratios=(0.1, 0.9)), per_sequence=halves)


def test_masker_takes_the_ratio_of_a_step() -> None:
    """The same masks as those of a constant schedule of that ratio."""
    batch = Batch(
        input_ids=torch.arange(10, 10 + 64 * 32).reshape(64, 32) % 90 + 10,
        maskable=torch.ones(64, 32, dtype=torch.bool),
        sample_ids=torch.arange(64),
    )
    vocabulary, key = Vocabulary.of(100, 4, range(5)), StepKey(seed=1, step=9)
    of_bandit = Masker(MaskingSettings(ratio=Bandit(), unit="token"), vocabulary, max_steps=10)
    for ratio in GRID:
        constant = MaskingSettings(ratio=Constant(ratio=ratio), unit="token")
        expected = Masker(constant, vocabulary, max_steps=10)(batch, progress=0.9, key=key)
        found = of_bandit(batch, progress=0.9, key=key, ratio=ratio)
        assert torch.equal(found.input_ids, expected.input_ids)
        assert torch.equal(found.labels, expected.labels)
    with pytest.raises(ValueError, match=r"ratio=1.2. Expected a number from 0 to 1"):
        of_bandit(batch, progress=0.9, key=key, ratio=1.2)
