"""`desc.json` of a folder of `zicht protect`: dimensions, what is counted, and the rule of its owner."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from enclave.errors import BadInput, Fault
from output_control.tables.rules import Dominance, MinimumFrequency, PPercent, PriorPosterior, Rule

Percent = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FreqRule(_Strict):
    """`{"type": "freq", "n": 10}`."""

    type: Literal["freq"]
    n: Annotated[int, Field(ge=1)]

    def rules(self) -> tuple[Rule, ...]:
        """The rule it stands for."""
        return (MinimumFrequency(self.n),)


class PRule(_Strict):
    """`{"type": "p", "p": 10}`."""

    type: Literal["p"]
    p: Percent

    def rules(self) -> tuple[Rule, ...]:
        """The rule it stands for."""
        return (PPercent(self.p),)


class NkRule(_Strict):
    """`{"type": "nk", "n": [1, 2], "k": [50, 85]}`: one rule per pair."""

    type: Literal["nk"]
    n: tuple[Annotated[int, Field(ge=1, le=3)], ...]
    k: tuple[Percent, ...]

    @model_validator(mode="after")
    def _paired(self) -> NkRule:
        if not self.n or len(self.n) != len(self.k):
            raise ValueError("n and k must be lists of the same length, at least one")
        return self

    def rules(self) -> tuple[Rule, ...]:
        """The rules it stands for."""
        return tuple(Dominance(n, k) for n, k in zip(self.n, self.k, strict=True))


class PqRule(_Strict):
    """`{"type": "pq", "p": 10, "q": 50}`."""

    type: Literal["pq"]
    p: Percent
    q: Percent

    @model_validator(mode="after")
    def _ordered(self) -> PqRule:
        if self.p >= self.q:
            raise ValueError("p must be below q")
        return self

    def rules(self) -> tuple[Rule, ...]:
        """The rule it stands for."""
        return (PriorPosterior(self.p, self.q),)


MESSAGES = {
    "union_tag_invalid": "the type must be freq, p, nk or pq (any holds these, and no other any)",
    "union_tag_not_found": "a rule needs a type",
}
WRITTEN = {"OBS_STATUS", "CONF_STATUS", "status", "reason", "value"}
"""The columns of what is written, beside the dims."""

OneRule = Annotated[FreqRule | PRule | NkRule | PqRule, Field(discriminator="type")]


class AnyRule(_Strict):
    """`{"type": "any", "rules": [...]}`: sensitive by at least one."""

    type: Literal["any"]
    rules_: Annotated[tuple[OneRule, ...], Field(alias="rules", min_length=1)]

    def rules(self) -> tuple[Rule, ...]:
        """The rules it stands for."""
        return tuple(rule for part in self.rules_ for rule in part.rules())


AnyOneRule = Annotated[FreqRule | PRule | NkRule | PqRule | AnyRule, Field(discriminator="type")]


class DimensionFile(BaseModel):
    """One dimension in `desc.json`."""

    name: str
    root: str
    hierarchy: dict[str, tuple[str, ...]]


class Description(BaseModel):
    """`desc.json`; keys that Zicht does not know are the owner's own notes.

    ``coalition``: how many contributors may put together what they know of the cells they are in. ``keep``: cells that
    must stay published. ``cost`` of hiding a cell: its value, 1, log(1 + value), or what `weights.csv` says.
    """

    name: str
    kind: Literal["frequency", "magnitude"]
    dims: Annotated[tuple[DimensionFile, ...], Field(min_length=1)]
    measure: str
    freq: str
    contributor: str | None = None
    rule: AnyOneRule
    coalition: Annotated[int, Field(ge=1, le=2)] = 1
    keep: tuple[dict[str, str | Annotated[tuple[str, ...], Field(min_length=1)]], ...] = ()
    cost: Literal["value", "count", "information", "weights"] = "value"

    @model_validator(mode="after")
    def _dims_of_a_table(self) -> Description:
        names = [dim.name for dim in self.dims]
        if len(set(names)) < len(names):
            raise ValueError("two dims have one name")
        if not any(children for dim in self.dims for children in dim.hierarchy.values()):
            raise ValueError("no dim has a code below its root: there is no table")
        if WRITTEN.intersection(names):
            raise ValueError(f"a dim has the name of a column that is written ({', '.join(sorted(WRITTEN))})")
        return self

    @model_validator(mode="after")
    def _keeps_what_there_is(self) -> Description:
        known = {dim.name: {dim.root, *dim.hierarchy, *itertools.chain(*dim.hierarchy.values())} for dim in self.dims}
        for each in self.kept():
            if not each.keys() <= known.keys() or not all(
                known[name].issuperset(codes) for name, codes in each.items()
            ):
                raise ValueError("keep names a dimension or a code that dims does not have")
        return self

    def kept(self) -> tuple[dict[str, tuple[str, ...]], ...]:
        """The cells that must stay published: codes per dimension, of one that is not named its total."""
        return tuple(
            {name: (codes,) if isinstance(codes, str) else codes for name, codes in each.items()} for each in self.keep
        )

    def rules(self) -> tuple[Rule, ...]:
        """The owner's rules; p% against as many contributors as put together what they know."""
        rules = self.rule.rules()
        return tuple(replace(one, coalition=self.coalition) if isinstance(one, PPercent) else one for one in rules)


def read_description(path: Path) -> Description:
    """`desc.json`, checked. Raises `BadInput` naming every key that is wrong."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput("the file is missing", where=path.name) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        raise BadInput("the file is not readable JSON in UTF-8", where=path.name) from None
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadInput("the file holds half a character, written as an escape", where=path.name) from None
    try:
        return Description.model_validate(content)
    except ValidationError as error:
        faults = [
            Fault(path.name, "schema", _said(item))
            for item in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise BadInput("the description does not hold what it must", where=path.name, faults=faults) from None


def _said(item: ErrorDetails) -> str:
    message = MESSAGES.get(item["type"], item["msg"].removeprefix("Value error, "))
    place = ".".join(str(part) for part in item["loc"])
    return f"{place}: {message}" if place else message
