"""A value of the policy with its source: what every part of a policy file is made of."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Value = TypeVar("Value")
Source = Annotated[str, Field(min_length=10, max_length=400, description="where the value comes from")]


class PolicyFile(BaseModel):
    """Known fields only, and no message that quotes a value that is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Sourced(PolicyFile, Generic[Value]):
    """A value of the policy and where it comes from."""

    value: Value
    source: Source
