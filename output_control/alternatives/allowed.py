"""Which protections a policy allows besides suppression, with their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from enclave.requests import Protection

Base = Annotated[int, Field(ge=2, le=1000)]
Bases = Annotated[tuple[Base, ...], Field(min_length=1)]


class _Way(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Coarser(_Way):
    """Per area the finest margins whose cells nearly all reach the minimum frequency; the rest is suppressed."""

    method: Literal["coarser"]

    def said(self, base: int) -> str:
        """The parameters in words."""
        return ""


class Rounding(_Way):
    """Controlled rounding of counts to multiples of one of ``bases``; additive."""

    method: Literal["rounding"]
    bases: Bases

    def said(self, base: int) -> str:
        """The parameters in words."""
        return f"base {base}"


class SmallCountRounding(_Way):
    """Inner counts below one of ``bases`` become 0 or the base; totals are added up anew."""

    method: Literal["small_count_rounding"]
    bases: Bases

    def said(self, base: int) -> str:
        """The parameters in words."""
        return f"base {base}"


class CellKey(_Way):
    """Noise by cell keys: changes up to ``largest`` (D), ``variance`` (V), no results of 1 … ``withheld`` (j_s)."""

    method: Literal["cell_key"]
    largest: int = Field(ge=1, le=50)
    variance: float = Field(gt=0, le=2500)
    withheld: int = Field(ge=0, le=49)

    @model_validator(mode="after")
    def _can_be(self) -> CellKey:
        if self.withheld >= self.largest or self.variance >= self.largest**2:
            raise ValueError("withheld must be below largest, and variance below its square")
        return self

    def said(self, base: int) -> str:
        """The parameters in words."""
        return f"D = {self.largest}, V = {self.variance:g}, js = {self.withheld}"


AllowedProtection = Annotated[Coarser | Rounding | SmallCountRounding | CellKey, Field(discriminator="method")]


def chosen(protection: Protection, allowed: Sequence[AllowedProtection]) -> tuple[AllowedProtection | None, str]:
    """The policy's entry for what a request asks, and what is wrong with it ("": nothing); suppression needs none."""
    if protection.method == "suppression":
        return None, "" if protection.base is None else "suppression has no base"
    ways = {way.method: way for way in allowed}
    way = ways.get(protection.method)
    if way is None:
        known = ", ".join(["suppression", *ways])
        return None, f"protection by {protection.method} is not allowed here; the policy allows {known}"
    if isinstance(way, Rounding | SmallCountRounding):
        if protection.base not in way.bases:
            return None, f"{way.method} needs a base of {', '.join(map(str, way.bases))}"
    elif protection.base is not None:
        return None, f"{way.method} has no base"
    return way, ""
