"""Parts and phases that are written as they are not read: what the message says is read."""

from __future__ import annotations

import pytest

from cases import all_cases
from tidemask import load_recipe
from tidemask.errors import UserError

CONTENT = "masking.content={{weighting: mixture, parts: [{}]}}"
RATIOS = "masking.per_sequence={{distribution: mixture, parts: [{}]}}"
SEQUENCES, PHASES = "masking.sequences=[{}]", "masking.phases=[{}]"
STRETCHES = "masking.ratio={{schedule: phases, phases: [{}]}}"

REWRITTEN = [
    (CONTENT, "{share: 80}", "{share: 0.8, content: {weighting: uniform}}"),
    (
        CONTENT,
        "{share: 0.8, weighting: table, weights: {NOUN: 2}}",
        "{share: 0.8, content: {weighting: table, weights: {NOUN: 2}}}",
    ),
    (
        CONTENT,
        "{share: 0.8, of: {weighting: frequency}}",
        "{share: 0.8, content: {weighting: frequency}}",
    ),
    (CONTENT, "{share: 0.8, frequency: }", "{share: 0.8, content: {weighting: frequency}}"),
    (
        RATIOS,
        "{share: 0.8, distribution: beta, concentration: 3}",
        "{share: 0.8, of: {distribution: beta, concentration: 3}}",
    ),
    (
        RATIOS,
        "{share: 0.8, content: {distribution: same}}",
        "{share: 0.8, of: {distribution: same}}",
    ),
    (RATIOS, "{share: 80}", "{share: 0.8, of: {distribution: uniform}}"),
    (
        SEQUENCES,
        "{share: 0.8, unit: token, weighting: frequency}",
        "{share: 0.8, unit: token, content: {weighting: frequency}}",
    ),
    (PHASES, "{from: 0, unit: token}", "{until: 0.4, unit: token}"),
    (PHASES, "{from: 0, until: 0.4, unit: token}", "{until: 0.4, unit: token}"),
    (PHASES, "{to: 0.4, unit: token}", "{until: 0.4, unit: token}"),
    (STRETCHES, "{begin: 0, ratio: 0.3}", "{until: 0.4, ratio: 0.3}"),
]
"""Where a part or a phase stands, how it is written there, and how the message says to write it."""

REST = {
    CONTENT: "{share: 0.2, content: {weighting: uniform}}",
    RATIOS: "{share: 0.2, of: {distribution: uniform}}",
    SEQUENCES: "{share: 0.2}",
    PHASES: "{until: 1, from: 0.4}",
    STRETCHES: "{until: 1, begin: 0.4, ratio: 0.1}",
}
"""What stands after it."""


@all_cases(("place", "written", "instead"), REWRITTEN)
def test_section_hints_say_what_can_be_read(place: str, written: str, instead: str) -> None:
    with pytest.raises(UserError) as caught:
        load_recipe("bert", [place.format(f"{written}, {REST[place]}")])
    path, _, said = str(caught.value).rpartition("in Python): ")[2].partition("0: ")
    assert path.endswith((".parts.", ".sequences.", ".phases."))
    assert said.partition(" Write ")[2].startswith(instead)
    rest = REST[place].replace(", from: 0.4", "").replace(", begin: 0.4", "")
    assert load_recipe("bert", [place.format(f"{instead}, {rest}")])


def test_section_hints_end_a_phase_where_the_next_begins() -> None:
    phases = PHASES.format("{from: 0}, {from: 0.25, unit: token}, {from: 0.5}")
    with pytest.raises(UserError) as caught:
        load_recipe("bert", [phases])
    for number, until in enumerate((0.25, 0.5, 1.0)):
        _, _, said = str(caught.value).partition(f"masking.phases.{number}: ")
        assert said.partition(" Write ")[2].startswith(f"{{until: {until}")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            CONTENT.format("{share: 0.8, column: x, content: {weighting: uniform}}"),
            "unknown key masking.content.parts.0.column. Expected one of share, content.",
        ),
        (SEQUENCES.format("{share: 1, p: 0.3}"), "sequences.0.p. Did you mean spans.p?"),
        (
            CONTENT.format(
                "{share: 80, content: {weighting: uniform}}, "
                "{share: 20, content: {weighting: frequency}}"
            ),
            "masking.content.parts: the shares 80 + 20 add up to 100. Expected shares that add up "
            "to 1. Did you mean 0.8 + 0.2?",
        ),
        (
            SEQUENCES.format("{share: 0.8}, {share: 20}"),
            "masking.sequences.1.share=20. Expected a number from 0 to 1. Did you mean 0.2?",
        ),
        (
            RATIOS.format("{share: 80, of: {distribution: same}}"),
            "parts.0.share=80. Expected a number from 0 to 1. Did you mean 0.8?",
        ),
    ],
)
def test_section_hints_of_other_keys_and_shares(override: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        load_recipe("bert", [override])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
