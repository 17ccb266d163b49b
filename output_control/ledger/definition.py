"""How the population of a table was defined, as a keyed digest: two of the same units may be two by definition.

A population is all members of a linked data set, where the request says that it is (the gate then refuses anything
else), or what one version of an analysis derived from the linked data. Nothing is read off who is in it: a filter that
leaves nobody out today is a selection. No more is known: a derivation is code, and of two codes nobody can tell whether
they always choose the same. Nor is what is linked anew the same, though the same units be in it.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from hashlib import sha256

from enclave.requests import TableRequest

PURPOSE = "populations"


def defined(request: TableRequest, *, made: str, inputs: Mapping[str, str], key: bytes) -> str:
    """HMAC-SHA-256 under ``key`` of the linked data set, its key, the period and what is counted; of a whole population
    also of that data set's digest among ``inputs`` (SHA-256 by data set), of a selection of all ``inputs``, ``made``
    (the digest of code, parameters and environment) and the derived frame. Equal for what is defined alike.
    """
    population = request.population
    source = [population.dataset, population.key, request.period or "", request.measure or ""]
    whole = [inputs[population.dataset]]
    chosen = whole if population.whole else [made, request.derivation, dict(inputs)]
    return hmac.digest(key, json.dumps([source, chosen], sort_keys=True).encode(), sha256).hex()
