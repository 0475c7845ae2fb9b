"""How many cases of a law are tried: all in one item, some in the quick part, all in the whole.

Setting up an item costs more than a small check, and a grid of policies more than a quick loop has.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import settings

Test = TypeVar("Test", bound=Callable[..., None])


def all_cases(
    names: str | Sequence[str],
    values: Iterable[Any],
    ids: Callable[[Any], object] | Iterable[str] = repr,
) -> Callable[[Test], Test]:
    """What `pytest.mark.parametrize` is, in one item: every case is checked, each failure named.

    For checks of milliseconds that skip nothing and leave nothing behind: the fixtures, `tmp_path`
    and `monkeypatch` too, are those of the item and so shared by its cases.

    Args:
        names: of the arguments that are given by case, as for `parametrize`.
        values: one for each case, a tuple where there are several names, or a `pytest.param`.
        ids: names of the cases, or how a value is shown in the name of one without an `id`.

    Raises:
        ValueError: there is no case, or one has marks, which hold for an item alone.
    """
    arguments = names.replace(",", " ").split() if isinstance(names, str) else [*names]
    show = ids if callable(ids) else repr
    cases = [_case(value, len(arguments), show) for value in values]
    if not callable(ids):
        cases = [(name, given) for name, (_, given) in zip(ids, cases, strict=True)]

    if not cases:
        raise ValueError(f"no cases of {', '.join(arguments)}. Expected at least one.")

    def of_all(test: Test) -> Test:
        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            failures: list[BaseException] = []
            for name, given in cases:
                try:
                    test(**fixtures, **dict(zip(arguments, given, strict=True)))
                except (Exception, pytest.fail.Exception, pytest.skip.Exception) as failure:
                    failure.add_note(f"case: {name}")
                    failures.append(failure)
            if failures:
                raise BaseExceptionGroup(f"{len(failures)} of {len(cases)} cases", failures)

        signature = inspect.signature(test)
        left = [p for name, p in signature.parameters.items() if name not in arguments]
        run.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return run  # type: ignore[return-value]

    return of_all


def one_in(number: int, values: Iterable[Any], ids: Callable[[Any], str] = str) -> list[Any]:
    """Values for `parametrize` of which every so-many-th is tried in the quick part, too.

    Args:
        number: has no divisor in common with the lengths of a grid, so that each value of each of
            its axes is among those.
        values: one for each case, a tuple where there are several names.
        ids: names of the cases.
    """
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)),
            id=ids(value),
            marks=() if place % number == 0 else pytest.mark.slow,
        )
        for place, value in enumerate(values)
    ]


def random_examples(number: int) -> settings:
    """So many random examples in the whole suite, and a part of them in the quick one."""
    share = settings.default.max_examples / settings.get_profile("whole").max_examples
    return settings(max_examples=max(1, round(share * number)))


def _case(value: Any, number: int, show: Callable[[Any], object]) -> tuple[str, Sequence[Any]]:
    """Its name, and a value for each argument."""
    own, given = None, value if number > 1 else (value,)
    if isinstance(value, type(pytest.param())):
        if value.marks:
            raise ValueError(f"marks of a case: {value.marks}. Use pytest.mark.parametrize.")
        own, given = value.id, value.values
    return own or ", ".join(str(show(part)) for part in given), given
