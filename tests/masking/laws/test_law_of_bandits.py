"""The bandit against Exp3.S in plain numpy, and its choices computed again from a log.

Auer et al. 2002, section 8, and the card docs/methods/closed-loop.md: weights here are numbers, not
logarithms, and the log is what `metrics.jsonl` has of each block.
"""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cases import all_cases, random_examples
from tidemask.masking.ratio_bandit import Bandit

GRIDS = [(0.1, 0.4), (0.08, 0.15, 0.3, 0.45), (0.05, 0.1, 0.2, 0.3, 0.5, 0.9, 1.0)]


class PlainExp3S:
    """Weights by the formulas of the card."""

    def __init__(self, bandit, num_blocks):
        self.gamma, self.history = bandit.exploration, bandit.history_blocks
        self.weights = np.ones(len(bandit.ratios))
        self.alpha, self.rewards = 1 / num_blocks, []

    def probabilities(self):
        num = len(self.weights)
        return (1 - self.gamma) * self.weights / self.weights.sum() + self.gamma / num

    def played(self, arm, reward):
        num, p = len(self.weights), self.probabilities()
        self.rewards = [*self.rewards, reward][-self.history :]
        low, high = np.quantile(self.rewards, [0.2, 0.8])
        x = np.zeros(num)
        x[arm] = 0.5 if high == low else np.clip((reward - low) / (high - low), 0, 1)
        back = math.e * self.alpha / num * self.weights.sum()
        self.weights = self.weights * np.exp(self.gamma * x / (num * p)) + back


GAINS = st.lists(st.floats(-2, 2), min_size=1, max_size=40)


@given(
    st.sampled_from(GRIDS),
    st.floats(0.01, 1.0),
    st.integers(2, 12),
    GAINS,
    st.integers(0, 2**63),
    st.integers(40, 500),
)
@random_examples(150)
def test_law_of_bandits_probabilities_are_those_of_exp3s(
    ratios, exploration, history, gains, seed, num_blocks
):
    bandit = Bandit(ratios=ratios, exploration=exploration, history_blocks=history)
    plain, state = PlainExp3S(bandit, num_blocks), bandit.new_state()
    for block, gain in enumerate(gains):
        np.testing.assert_allclose(bandit.probabilities(state), plain.probabilities(), rtol=1e-9)
        arm = bandit.choose(state, seed=seed, block=block)
        plain.played(arm, gain)
        state = bandit.updated(state, arm=arm, reward=gain, num_blocks=num_blocks)
    np.testing.assert_allclose(bandit.probabilities(state), plain.probabilities(), rtol=1e-9)


@all_cases("seed", [0, 7, 2**63])
@all_cases("ratios", GRIDS)
def test_law_of_bandits_choices_follow_from_the_log_alone(ratios, seed):
    """A log of ratio and reward a block, through JSON; nothing of the run that wrote it is left."""
    bandit, rng = Bandit(ratios=ratios), np.random.default_rng(abs(seed) % 2**32)
    state, log = bandit.new_state(), []
    for block in range(100):
        arm = bandit.choose(state, seed=seed, block=block)
        reward = float(rng.normal(0.01 / (1 + block), 0.003) * (1 + arm))
        log.append({"masking/ratio": bandit.ratios[arm], "bandit/reward": reward})
        state = bandit.updated(state, arm=arm, reward=reward, num_blocks=100)

    again, plain = bandit.new_state(), PlainExp3S(bandit, 100)
    for block, line in enumerate(json.loads(json.dumps(log))):
        arm = ratios.index(line["masking/ratio"])
        assert bandit.choose(again, seed=seed, block=block) == arm
        assert plain.probabilities()[arm] >= bandit.exploration / len(ratios) * (1 - 1e-12)
        plain.played(arm, line["bandit/reward"])
        again = bandit.updated(again, arm=arm, reward=line["bandit/reward"], num_blocks=100)
    assert again == state
    assert len({line["masking/ratio"] for line in log}) == len(ratios)


@pytest.mark.slow
def test_law_of_bandits_arms_are_drawn_with_their_chances():
    """The state of some blocks, and the choices of 4,000 seeds: chi-square at 1e-5."""
    bandit, state = Bandit(ratios=GRIDS[1]), Bandit(ratios=GRIDS[1]).new_state()
    for block, gain in enumerate([1.0, 3.0, 2.0, 5.0, 4.0, 1.0]):
        arm = bandit.choose(state, seed=3, block=block)
        state = bandit.updated(state, arm=arm, reward=gain, num_blocks=50)
    chosen = [bandit.choose(state, seed=seed, block=6) for seed in range(4000)]
    expected = 4000 * np.array(bandit.probabilities(state))
    assert np.ptp(expected) > 100
    assert stats.chisquare(np.bincount(chosen, minlength=4), expected).pvalue > 1e-5
