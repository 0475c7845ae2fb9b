"""A connection to Ray where there is none."""

from __future__ import annotations

import sys

import pytest

from tidemask.errors import UserError
from tidemask.ray_connection import HERE, connected_ray, ray_address


def test_ray_connection_names_the_extra_that_installs_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"needs ray.*'tidemask\[ray\]'"), connected_ray(HERE):
        pass


@pytest.mark.parametrize(
    ("engine", "address"),
    [
        ("local", None),
        ("ray", HERE),
        ("ray:auto", "auto"),
        ("ray:head:6379", "head:6379"),
        ("ray:[::1]:6379", "[::1]:6379"),
        ("ray:ray://head:10001", "ray://head:10001"),
        ("ray://head:10001", "ray://head:10001"),
    ],
)
def test_an_engine_names_the_address_of_its_ray(engine: str, address: str | None) -> None:
    assert ray_address(engine) == address


@pytest.mark.parametrize("engine", ["ray:", "ray://", "rays", "slurm", "local:8", "", None, 3])
def test_what_is_no_engine_is_refused_with_those_there_are(engine: object) -> None:
    with pytest.raises(ValueError, match=r"engine=.*Expected local, ray or ray:ADDRESS"):
        ray_address(engine)  # type: ignore[arg-type]
