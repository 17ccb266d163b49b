"""Code lists with hierarchies: regions, dwelling types, value classes; and which of them are sensitive.

The office, not the researcher, says which classification is sensitive (belonging to a category harms), which of its
categories are neutral, and what a standard population counts in each code. A classification is a YAML file; long code
lists lie in a CSV file that the YAML names
(``code, parent, level, label_nl, label_en``).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from enclave.errors import BadInput
from enclave.yaml_files import NotYaml, read_fields


class Code(BaseModel):
    """One category: its parent's code ('' for the root), its level's name, and labels in Dutch and English."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    code: str
    parent: str = ""
    level: str
    label_nl: str
    label_en: str


class Classification(BaseModel):
    """A tree of codes with one root, listed so that every parent stands before its children."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    title_nl: str
    title_en: str
    geographic: bool = False
    identifying: bool = True
    sensitive: bool = False
    neutral: tuple[str, ...] = ()
    standard: dict[str, float] = {}
    codes: tuple[Code, ...] = ()
    file: str = ""

    @model_validator(mode="after")
    def _is_a_tree(self) -> Classification:
        if self.file and not self.codes:
            return self
        seen: set[str] = set()
        roots = 0
        for code in self.codes:
            if code.code in seen:
                raise ValueError("a code is listed twice")
            if code.parent and code.parent not in seen:
                raise ValueError("a parent is missing or listed after its child")
            roots += not code.parent
            seen.add(code.code)
        if roots != 1:
            raise ValueError("there must be exactly one root")
        if not set(self.neutral) <= seen:
            raise ValueError("a neutral category is no code of the list")
        if self.standard and not (
            self.standard.keys() == set(self.leaves())
            and all(0 <= number < float("inf") for number in self.standard.values())
            and sum(self.standard.values()) > 0
        ):
            raise ValueError("a standard population has a number of 0 or more for every finest code, and not 0 for all")
        return self

    @property
    def root(self) -> str:
        """The code of everything."""
        return self.codes[0].code

    @property
    def levels(self) -> tuple[str, ...]:
        """Level names from the root down."""
        return tuple(dict.fromkeys(code.level for code in self.codes))

    def children(self) -> dict[str, tuple[str, ...]]:
        """Parent code -> codes directly below it, in listed order; leaves are no keys."""
        below: dict[str, list[str]] = {}
        for code in self.codes:
            if code.parent:
                below.setdefault(code.parent, []).append(code.code)
        return {parent: tuple(codes) for parent, codes in below.items()}

    def standard_of(self, code: str) -> float:
        """What the standard population counts in ``code``, of whatever level."""
        children = self.children()

        def below(each: str) -> float:
            return self.standard[each] if each in self.standard else sum(map(below, children.get(each, ())))

        return float(below(code))

    def leaves(self) -> tuple[str, ...]:
        """Codes with nothing below them, in listed order."""
        parents = {code.parent for code in self.codes}
        return tuple(code.code for code in self.codes if code.code not in parents)


def load_classification(path: Path, data_roots: Sequence[Path] = ()) -> Classification:
    """Read a classification; its ``file`` is looked for in ``data_roots`` in turn.

    Raises:
        BadInput: not readable, not a tree, or the code list is in none of the roots.
    """
    try:
        fields = read_fields(path.read_bytes())
        listed = Classification(**fields)
        if listed.file:
            listed = Classification(**{**fields, "codes": tuple(_read_codes(listed.file, data_roots))})
    except FileNotFoundError:
        raise BadInput("there is no such classification", where=path.stem) from None
    except (ValidationError, NotYaml, UnicodeDecodeError, csv.Error, TypeError) as error:
        reason = str(error) if isinstance(error, NotYaml) else "the code list is not readable"
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else reason
        raise BadInput(f"the classification does not hold: {reason}", where=path.name) from None
    return listed


def _read_codes(name: str, data_roots: Sequence[Path]) -> list[Code]:
    for root in data_roots:
        if (root / name).is_file():
            with (root / name).open(newline="", encoding="utf-8") as handle:
                return [Code(**row) for row in csv.DictReader(handle)]
    raise BadInput("the code list is in none of the data folders", where=name)
