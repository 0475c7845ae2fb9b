"""Types of kept fields: no value is lost, and the order of the documents decides nothing."""

from __future__ import annotations

from functools import reduce
from itertools import permutations

from hypothesis import example, given
from hypothesis import strategies as st

from tidemask.corpus.splitting.field_types import FieldTypes, fitted_field, merged_types

_VALUES = st.lists(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.integers(-9, 9)
    | st.floats(allow_nan=False)
    | st.text(max_size=3),
    max_size=4,
)


@given(values=_VALUES)
@example(values=[2**53 + 1, 0.5, 1])
@example(values=[2**53 + 1, 1])
def test_field_types_hold_every_value_in_any_order(values: list[bool | float | str | None]) -> None:
    found: set[str | None] = set()
    for ordered in permutations(values):
        none: FieldTypes = {}
        types = reduce(lambda types, value: merged_types(types, {"field": value}), ordered, none)
        found.add(types.get("field"))
    assert len(found) == 1
    if (kind := found.pop()) is None:
        assert all(value is None for value in values)
        return
    for value in values:
        fitted = fitted_field(value, kind)
        assert fitted == (str(value) if kind == "text" and value is not None else value)
