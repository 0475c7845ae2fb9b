"""What the tests' own `all_cases` refuses, as it would check nothing or forget a mark."""

from __future__ import annotations

from typing import Any

import pytest

from cases import all_cases


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "no cases of value"),
        ([1, pytest.param(2, marks=pytest.mark.slow)], "marks of a case: .*slow"),
    ],
    ids=["none", "marked"],
)
def test_cases_that_would_not_be_checked_as_asked_are_refused(
    values: list[Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        all_cases("value", values)


def test_cases_are_all_checked_and_each_failure_is_named() -> None:
    seen: list[int] = []

    @all_cases("value", [1, pytest.param(2, id="two"), 3])
    def check(value: int) -> None:
        seen.append(value)
        assert value == 1

    with pytest.raises(BaseExceptionGroup, match="2 of 3 cases") as caught:
        check()  # type: ignore[call-arg]
    assert seen == [1, 2, 3]
    assert [error.__notes__ for error in caught.value.exceptions] == [["case: two"], ["case: 3"]]
