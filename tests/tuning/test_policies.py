"""The policies of a search: names, settings and parameters say the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from cases import all_cases
from tidemask.errors import UserError
from tidemask.masking.weighting import blend_at
from tidemask.runs.config import load_recipe
from tidemask.tuning.policies import (
    MAX_RATIO,
    MIN_END,
    MIN_START,
    SCHEDULES,
    USUAL_CONSTANT,
    Content,
    Policy,
    known_policies,
    policy_named,
    searched_contents,
    suggested,
)

CONTENTS = searched_contents(has_classes=True)


class Drawn:
    """A trial that draws, and keeps what it drew."""

    def __init__(self, seed: int) -> None:
        self._random, self.parameters = random.Random(seed), dict[str, Any]()

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self.parameters.setdefault(name, self._random.choice(choices))

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int:
        assert log
        return int(self.parameters.setdefault(name, self._random.randint(low, high)))


POLICIES = [suggested(Drawn(seed), CONTENTS) for seed in range(60)]


def test_policies_are_made_of_their_parameters_and_named_by_them() -> None:
    for seed, policy in enumerate(POLICIES):
        trial = Drawn(seed)
        suggested(trial, CONTENTS)
        if trial.parameters.get("end") != policy.start:
            assert policy.parameters == trial.parameters
    by_name = {policy.name: policy for policy in POLICIES}
    assert all(by_name[policy.name] == policy for policy in POLICIES)
    assert all(policy_named(name) == policy for name, policy in by_name.items())
    for wrong in (
        "constant", "linear-30-15", "constant-15-token-frequency", "constant-15-tokens",
        "constant-15-20-token", "constant-015-token", "linear-30-word", "linear-300-15-word",
        f"constant-{'1' * 5000}-token",
    ):  # fmt: skip
        with pytest.raises(UserError, match=f"no policy of a search: {wrong}. Expected"):
            policy_named(wrong)
    assert all(MIN_START <= policy.start <= MAX_RATIO for policy in POLICIES)
    assert all(min(MIN_START, MIN_END) <= policy.end <= MAX_RATIO for policy in POLICIES)


@pytest.mark.slow
@all_cases("policy", [*POLICIES, *known_policies(CONTENTS)], ids=lambda policy: policy.name)
def test_settings_of_a_policy_mask_as_it_says(policy: Policy) -> None:
    masking = load_recipe("roberta", policy.overrides).masking
    start, end = policy.start / 100, policy.end / 100
    middle = {"constant": start, "step": end}.get(policy.schedule, (start + end) / 2)
    for progress, ratio in ((0.0, start), (0.5, middle), (1.0, end)):
        assert masking.ratio(progress) == pytest.approx(ratio), progress
    if policy.schedule == "cosine":
        assert masking.ratio(0.25) == pytest.approx(end + (start - end) * (2 + 2**0.5) / 4)
    assert masking.unit == policy.unit
    assert masking.content.weighting == policy.content
    shares = {"full": (1, 1, 1), "rising": (0, 0.5, 1), "falling": (1, 0.5, 0)}[policy.blend]
    for progress, share in zip((0.0, 0.5, 1.0), shares, strict=True):
        found = blend_at(
            masking.content, progress=progress, step=10_000, max_steps=1_000
        )  # after blend_in
        assert found == pytest.approx(0 if policy.content == "uniform" else share)
    assert str(policy.start) in policy.summary
    is_flat = masking.ratio(0.3) == masking.ratio(0.9) == start
    assert policy.is_constant == (is_flat and policy.content == "uniform")


@all_cases(
    ("schedule", "content"),
    [(one, other) for one in SCHEDULES for other in ("uniform", "frequency")],
)
def test_a_curve_between_equal_ratios_is_a_constant(schedule: str, content: Content) -> None:
    trial = Drawn(0)
    trial.parameters = {"schedule": schedule, "start": 33, "end": 33, "unit": "token",
                        "content": content, "blend": "full"}  # fmt: skip
    policy = suggested(trial, CONTENTS)
    assert policy == Policy(schedule="constant", start=33, end=33, unit="token", content=content)
    assert policy.is_constant == (content == "uniform")
    uncanonical = Policy(schedule="cosine", start=33, end=33, unit="token")
    assert uncanonical.is_constant


def test_known_policies_begin_with_constants_and_need_no_tags_on_a_corpus_without() -> None:
    known = known_policies(searched_contents(has_classes=False))
    assert [policy.name for policy in known[:4]] == [
        "constant-15-token", "cosine-45-15-token", "constant-30-token", "constant-40-token"
    ]  # fmt: skip
    assert known[0] == USUAL_CONSTANT
    assert all(policy.content == "uniform" for policy in known)
    assert len(set(known_policies(CONTENTS))) == len(known) + 1
    cosine = load_recipe("bert", known[5].overrides).masking
    assert cosine == load_recipe("mrd-cosine").masking
    linear = load_recipe("bert", known[4].overrides).masking
    assert linear == load_recipe("ankner-linear").masking
    *others, weighted = known_policies(CONTENTS)
    assert others == known
    assert load_recipe("bert", weighted.overrides).masking == load_recipe("ptw-mrd").masking
