"""Data minimisation (*dataminimalisatie*) before any data: variables × questions, from project file and schemas.

What no question declares does not reach the researchers: linking takes declared columns and keys only. The matrix says
what is asked of suppliers for nothing, and what is declared in vain.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from enclave.project import DataSet, Project
from pseudonymise.schemas import ColumnSpec, DeliverySchema


class Need(Enum):
    """Why a variable is, or is not, asked for."""

    USED = "used"
    KEY = "key"
    CHECKED = "checked and dropped"
    UNNAMED = "declared, named by no analysis"
    UNDECLARED = "delivered, declared by no question"
    IMPOSSIBLE = "declared, and nobody delivers it"


@dataclass(frozen=True, slots=True)
class Variable:
    """A column of a data set: which questions declare it, and whether that is what it is for.

    ``data_set`` is the schema's name in brackets where no data set comes from a delivery that is owed.
    """

    data_set: str
    column: str
    questions: tuple[str, ...]
    need: Need

    @property
    def superfluous(self) -> bool:
        """Whether it is asked for, or declared, without a use."""
        return self.need in (Need.UNNAMED, Need.UNDECLARED, Need.IMPOSSIBLE)


def variables(
    project: Project, schemas: Mapping[str, DeliverySchema], named: Mapping[str, Collection[str]]
) -> tuple[Variable, ...]:
    """Every variable that is delivered or declared; ``named``: per analysis, the texts that stand in its code."""
    return tuple(
        variable
        for name, data in sorted(project.data.items())
        for variable in _of_data_set(name, data, project, schemas, named)
    ) + tuple(_for_nothing(project, schemas))


def _of_data_set(
    name: str,
    data: DataSet,
    project: Project,
    schemas: Mapping[str, DeliverySchema],
    named: Mapping[str, Collection[str]],
) -> Iterator[Variable]:
    declared = {column: _questions(project, name, column) for column in project.declared_columns(name)}
    if not data.delivery:
        for column, questions in declared.items():
            yield Variable(name, column, questions, _need(project, column, questions, named))
        return
    keys = {column for key in data.keys for column in key.source}
    delivered = set()
    for spec in schemas[data.delivery].columns if data.delivery in schemas else ():
        made = pseudonymised_name(spec)
        delivered.add(made)
        if spec.name in keys:
            yield Variable(name, spec.name, (), Need.KEY)
        elif made in declared:
            yield Variable(name, made, declared[made], _need(project, made, declared[made], named))
        elif spec.treatment == "drop":
            yield Variable(name, spec.name, (), Need.CHECKED)
        else:
            yield Variable(name, made or spec.name, (), Need.UNDECLARED)
    for column in sorted(set(declared) - delivered):
        yield Variable(name, column, declared[column], Need.IMPOSSIBLE)


def pseudonymised_name(spec: ColumnSpec) -> str:
    """What a delivered column is called once it is pseudonymised; empty when nothing but a hash or nothing is left."""
    if spec.treatment.startswith("coarsen:"):
        return f"{spec.name}_{spec.treatment.removeprefix('coarsen:')}"
    return "" if spec.treatment in ("drop", "hash") else spec.name


def _need(project: Project, column: str, questions: tuple[str, ...], named: Mapping[str, Collection[str]]) -> Need:
    uses = [use.name for use in project.analyses if use.question in questions]
    return Need.USED if any(column in named.get(use, ()) for use in uses) else Need.UNNAMED


def _questions(project: Project, data_set: str, column: str) -> tuple[str, ...]:
    return tuple(sorted(n for n, question in project.questions.items() if column in question.uses.get(data_set, ())))


def _for_nothing(project: Project, schemas: Mapping[str, DeliverySchema]) -> Iterator[Variable]:
    """Deliveries that are owed, and that no data set comes from."""
    wanted = {data.delivery for data in project.data.values()}
    for name in sorted({expected.schema_name for expected in project.deliveries} - wanted):
        for spec in schemas[name].columns if name in schemas else ():
            yield Variable(f"({name})", spec.name, (), Need.UNDECLARED)


def as_csv(found: Collection[Variable], project: Project) -> str:
    """The matrix: a row per variable, a column per question (x where it declares the variable), and the need."""
    questions = sorted(project.questions)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("data_set", "variable", *questions, "need"))
    for variable in found:
        crosses = ("x" if question in variable.questions else "" for question in questions)
        writer.writerow((variable.data_set, variable.column, *crosses, variable.need.value))
    return text.getvalue()
