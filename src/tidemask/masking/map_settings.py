"""Settings of the maps from what was learned to weights; `weight_maps` applies them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from tidemask.settings import OneOf, Settings, check_at_least, members

_MAX_EXPONENT = 16.0
"""Powers up to it are finite for as many numbers as a vocabulary has entries."""


@dataclass(frozen=True, kw_only=True)
class SigmoidMap(Settings):
    """`2 sigmoid(sharpness (x - mean) / std)`, PTW's function of the class loss, times two."""

    map: Literal["sigmoid"] = "sigmoid"
    sharpness: float = 2.0
    """`beta`: how steeply weights follow the standardised number; at least 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("sharpness", self.sharpness, 0.0)


@dataclass(frozen=True, kw_only=True)
class PowerMap(Settings):
    """`(x / mean)^exponent`; a number below 0 counts as 0."""

    map: Literal["power"] = "power"
    exponent: float = 1.0
    """0 makes all weights alike, 1 follows the number itself; in [0, 16]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.exponent <= _MAX_EXPONENT:
            raise ValueError(
                f"exponent={self.exponent:g}. Expected a number from 0 to {_MAX_EXPONENT:g}."
            )


@dataclass(frozen=True, kw_only=True)
class RankMap(Settings):
    """`(2 rank - 1) / N` with the rank from 1; equal numbers share the mean of their ranks."""

    map: Literal["rank"] = "rank"


WeightMap = Annotated[SigmoidMap | PowerMap | RankMap, OneOf("map")]
"""Any map."""

MAPS: dict[str, type[WeightMap]] = members(WeightMap)
"""Maps by the name that `map` gives."""
