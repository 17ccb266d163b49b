"""Under what Bloom filters of persons were made, as a project file says it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

FEWEST_BITS, MOST_BITS = 64, 16_384


class EncodingLabel(BaseModel):
    """What filters were made under: SHA-256 of the linkage schema, check value of the secret, bits of a filter.

    Filters under different labels never meet, however alike the persons: such are refused, not compared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    linkage_schema: str = Field(pattern=r"^[0-9a-f]{64}$")
    secret_check: str = Field(pattern=r"^[0-9a-f]{16}$")
    bits: int = Field(ge=FEWEST_BITS, le=MOST_BITS, multiple_of=8)
