"""Transitions as the table they are: rows before, columns after, with group disclosure judged over every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from enclave.classifications import Classification
from enclave.requests import DimensionRequest, OutputRequest, TableRequest, TransitionRequest

SUFFIX = "_after"


def as_table(request: TransitionRequest) -> TableRequest:
    """The table of ``request``; its second dimension is the classification as :func:`with_transitions` gives it."""
    common = {
        name: getattr(request, name)
        for name in ("name", "title", "derivation", "population", "record", "period", "unit", "figure")
    }
    dimensions = (
        DimensionRequest(column=request.before, classification=request.classification),
        DimensionRequest(column=request.after, classification=f"{request.classification}{SUFFIX}"),
    )
    return TableRequest(dimensions=dimensions, **common)


def with_transitions(
    requests: Sequence[OutputRequest], classifications: Mapping[str, Classification]
) -> dict[str, Classification]:
    """``classifications``, and for each transition its own once more as a sensitive one.

    Where nearly all of a row go is told of everyone in it, whatever the category; only categories that the
    classification calls neutral are not.
    """
    listed = dict(classifications)
    for request in requests:
        if isinstance(request, TransitionRequest) and request.classification in classifications:
            sensitive = classifications[request.classification].model_copy(update={"sensitive": True})
            listed[f"{request.classification}{SUFFIX}"] = sensitive
    return listed
