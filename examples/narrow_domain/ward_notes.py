"""Notes of an invented hospital ward, one JSON object a line: a text of a narrow field.

    python examples/narrow_domain/ward_notes.py > notes.jsonl

Every drug belongs to a disease, so a model that has the field right fills in the one from the
other. Names are invented; the same notes come out each time.
"""

from __future__ import annotations

import json
import random

TREATMENTS = {
    "marsh fever": ("dolvarin", "restless nights and a high temperature"),
    "stone lung": ("asperol", "a dry cough and short breath"),
    "river ague": ("quintamine", "shivering at regular hours"),
    "glass bone disease": ("calcivor", "pain in the back and two fractures"),
    "harbour rash": ("lenitol", "itching and red marks on both arms"),
    "slow heart": ("cordavine", "fatigue and a weak pulse"),
}
"""By disease: the drug that is given, and what patients complain of."""

OPENINGS = ("was admitted on", "came to the ward on", "was seen again on")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
COURSES = ("improved within a week", "slept better after two days", "went home after four days")
CARE = (
    "The family was told what to watch for.",
    "The nurse wrote down pulse and temperature every four hours.",
    "A chair was put beside the window, as the patient had asked.",
    "Food and drink were taken without help.",
)


def note(rng: random.Random) -> str:
    """One note of five sentences."""
    disease = rng.choice(list(TREATMENTS))
    drug, complaints = TREATMENTS[disease]
    age, dose = rng.randint(19, 88), rng.choice((5, 10, 20, 40))
    care = rng.sample(CARE, 2)
    return " ".join((
        f"A patient of {age} years {rng.choice(OPENINGS)} {rng.choice(DAYS)} with {complaints}.",
        f"The doctor found {disease} and gave {dose} mg of {drug}.",
        care[0],
        f"With {drug} the patient {rng.choice(COURSES)}.",
        care[1],
    ))  # fmt: skip


def main() -> None:
    """Print the notes."""
    rng = random.Random(0)
    for number in range(1500):
        print(json.dumps({"text": note(rng), "ward": 1 + number % 4}))


if __name__ == "__main__":
    main()
