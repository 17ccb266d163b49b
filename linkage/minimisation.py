"""Data minimisation (*dataminimalisatie*): which question declares which column, and which columns nobody uses."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping

from pydantic import BaseModel, ConfigDict

from enclave.project import Project


class Minimisation(BaseModel):
    """``declared``: data set -> column -> questions that declare it. ``unused``: declared, but named in no analysis of
    a declaring question. ``undeclared``: in the pseudonymised deliveries, but in no question; by data set,
    or by delivery schema where no data set comes from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    declared: Mapping[str, Mapping[str, tuple[str, ...]]]
    unused: Mapping[str, tuple[str, ...]]
    undeclared: Mapping[str, tuple[str, ...]]


def names_in_code(source: str | bytes) -> frozenset[str]:
    """All texts that stand in Python code: a column that an analysis uses is named in one of them, or is built from
    parts (then it counts as unused, and the report is too strict rather than too lenient). What is not Python, which
    no run takes either, names none."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    return frozenset(
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def minimise(
    project: Project, available: Mapping[str, Collection[str]], named: Mapping[str, Collection[str]]
) -> Minimisation:
    """Compare what questions declare with ``available`` (attributes of delivered data sets) and with ``named`` (per
    analysis of the project, the texts in its code)."""
    declared = {
        data_set: {column: _declaring(project, data_set, column) for column in project.declared_columns(data_set)}
        for data_set in sorted(project.data)
    }
    used = {
        question: frozenset(
            text for use in project.analyses if use.question == question for text in named.get(use.name, ())
        )
        for question in project.questions
    }
    unused = {
        data_set: tuple(c for c, questions in columns.items() if not any(c in used[q] for q in questions))
        for data_set, columns in declared.items()
    }
    undeclared = {
        data_set: tuple(sorted(set(columns) - set(declared.get(data_set, ()))))
        for data_set, columns in available.items()
    }
    return Minimisation(declared=declared, unused=_filled(unused), undeclared=_filled(undeclared))


def _declaring(project: Project, data_set: str, column: str) -> tuple[str, ...]:
    return tuple(sorted(n for n, question in project.questions.items() if column in question.uses.get(data_set, ())))


def _filled(columns: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {data_set: listed for data_set, listed in columns.items() if listed}
