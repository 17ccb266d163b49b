"""Four latent types of *wijk*, each with its own shares of mortgages, social assistance and vans (V9)."""

from __future__ import annotations

import numpy as np

from synthetic.plan import Municipality
from synthetic.randomness import Floats, Ints, uniforms

TYPES = ("family", "old_town", "business", "villa")
# share of person-owned homes with a mortgage; share of assistance among those who may get it; share of vans
MORTGAGE_SHARES = np.array([0.85, 0.55, 0.70, 0.35])
BENEFIT_SHARES = np.array([0.03, 0.16, 0.06, 0.01])
VAN_SHARES = np.array([0.05, 0.08, 0.24, 0.02])


def wijk_types(seed: int, place: Municipality) -> Ints:
    """Position in ``TYPES`` of every *wijk*: by rank, shifted per municipality: all four are about as frequent."""
    u: Floats = uniforms(seed, "wijk/type", place.first_id, place.wijken)[:, 0]
    rank = np.empty(place.wijken, dtype=np.int64)
    rank[np.argsort(u, kind="stable")] = np.arange(place.wijken)
    return (rank + place.index) % len(TYPES)
