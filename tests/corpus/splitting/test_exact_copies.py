"""Copies of texts, against a dictionary of the texts themselves."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidemask.corpus.splitting.exact_copies import TextHashes

_TEXT = st.text(st.sampled_from("ab \n"), max_size=4)


@given(st.lists(st.tuples(_TEXT, st.booleans()), max_size=20))
def test_copies_are_of_the_first_by_precedence_but_for_white_space(
    texts: list[tuple[str, bool]],
) -> None:
    hashes = TextHashes()
    for text, _ in texts:
        hashes.add(text)
    precedence = np.array([int(late) for _, late in texts], np.int64)
    first: dict[str, int] = {}
    for late in (False, True):
        for number, (text, is_late) in enumerate(texts):
            if is_late == late:
                first.setdefault(" ".join(text.split()), number)
    expected = [
        -1 if first[" ".join(text.split())] == number else first[" ".join(text.split())]
        for number, (text, _) in enumerate(texts)
    ]
    assert hashes.first_copies(precedence).tolist() == expected
    assert len(set(hashes.places().tolist())) == len(first)
