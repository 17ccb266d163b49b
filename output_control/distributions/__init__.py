"""Distributions and unsupervised models through the gate: one function per kind of request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from enclave.requests import DistributionRequest
from output_control.distributions.box_plot import box_plot
from output_control.distributions.clusters import clusters
from output_control.distributions.correlation import correlation
from output_control.distributions.histogram import histogram
from output_control.distributions.lorenz import lorenz
from output_control.distributions.network import network
from output_control.distributions.roc import roc
from output_control.distributions.survival import survival
from output_control.dossier import Contents
from output_control.policy import Policy
from output_control.tables.derived import Sources

_KINDS: Mapping[str, Callable[[Any, Sources, Policy], Contents]] = {
    "clusters": clusters,
    "survival": survival,
    "roc": roc,
    "lorenz": lorenz,
    "histogram": histogram,
    "density": histogram,
    "box_plot": box_plot,
    "correlation": correlation,
    "network": network,
}


def distribution_contents(request: DistributionRequest, sources: Sources, policy: Policy) -> Contents:
    """Judge and write down one request; raises :class:`enclave.errors.Refused` with every reason."""
    return _KINDS[request.kind](request, sources, policy)
