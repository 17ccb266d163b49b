"""Persons → filters, column by column: every different value is taken apart and hashed once.

A filter is the union of its features' bits (cryptographic longterm key; Schnell, Bachteler and Reiher 2011), folded as
the schema says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from enclave.encoding_label import EncodingLabel
from enclave.errors import BadInput, Fault
from enclave.identifiers import Bytes, as_strings
from linkage.encodings.linkage_schema import Feature, Format, Hashing, LinkageSchema, decoded
from linkage.encodings.secret import SharedSecret
from linkage.encodings.tokens import UnusableValue, bits_per_token, formatted, places_of, tokens

_SHOWN_ROWS = 5
_MOST_REMEMBERED = 1_000_000
_KEYS_PER_FEATURE = 2


class Encoder:
    """Encodes tables under one schema and secret; remembers values from batch to batch."""

    def __init__(self, schema: LinkageSchema, secret: SharedSecret) -> None:
        self.schema = schema
        self.label = EncodingLabel(linkage_schema=schema.digest, secret_check=secret.check(), bits=schema.clk.bits)
        keys = feature_keys(schema, secret)
        self._features = [
            _FeatureBits(feature, pair, schema.clk.unfolded)
            for feature, pair in zip(schema.features, keys, strict=True)
            if not feature.ignored
        ]

    def __repr__(self) -> str:
        return "Encoder(…)"

    def encode(self, columns: Mapping[str, Any], *, where: str, first: int = 1) -> Bytes:
        """Filters ``(rows, bits / 8)`` of the columns by feature's identifier; null is the empty text.

        ``where`` and ``first`` (number of the first row) are for faults.

        Raises:
            BadInput: a column is missing, or values break the schema's formats: column, rule, rows, count, no value.
        """
        missing = [name for name in self.schema.used if name not in columns]
        if missing:
            faults = [Fault(where, "column", "the linkage schema asks for it", name) for name in missing]
            raise BadInput("the table lacks what is to be encoded", where=where, faults=faults)
        made: Bytes | None = None
        faults = []
        for feature in self._features:
            part, unusable = feature.bits(columns[feature.name])
            made = part if made is None else np.bitwise_or(made, part, out=made)
            for rule, rows in unusable.items():
                shown = tuple(int(row) + first for row in rows[:_SHOWN_ROWS])
                faults.append(Fault(where, "format", rule, feature.name, shown, len(rows)))
        if faults or made is None:
            raise BadInput(
                "values don't fit the linkage schema; nothing was encoded",
                where=where,
                faults=faults,
                next_step="mend them, or ask the linkage authority for a schema that says how no value is written",
            )
        return _folded(made, self.schema.clk.xor_folds)


def feature_keys(schema: LinkageSchema, secret: SharedSecret) -> list[tuple[bytes, bytes]]:
    """Two keys per feature, ignored ones included, by HKDF (RFC 5869)."""
    kdf, size = schema.clk.kdf, schema.clk.kdf.key_size
    algorithm = SHA512() if kdf.hash == "SHA512" else SHA256()
    length = _KEYS_PER_FEATURE * len(schema.features) * size
    stream = HKDF(algorithm, length, salt=decoded(kdf.salt), info=decoded(kdf.info)).derive(secret.reveal())
    parts = [stream[at : at + size] for at in range(0, length, size)]
    return list(zip(parts[::2], parts[1::2], strict=True))


class _FeatureBits:
    """The bits of one feature's values, by value."""

    def __init__(self, feature: Feature, keys: tuple[bytes, bytes], length: int) -> None:
        self.name = feature.identifier
        self._format: Format = feature.format or Format(type="string")
        self._hashing: Hashing = feature.hashing or Hashing.model_validate({})
        self._places = places_of(self._hashing.hash, keys, length)
        self._length = length
        self._values: dict[str, int] = {}
        self._tokens: dict[tuple[str, int], int] = {}

    def bits(self, values: Any) -> tuple[Bytes, dict[str, Any]]:
        """Bits per row before folding; and the rows (from 0) that break a rule, by rule."""
        encoded = as_strings(values).fill_null("").dictionary_encode()
        places = encoded.indices.to_numpy(zero_copy_only=False)
        broken: dict[str, list[int]] = {}
        table = bytearray()
        for at, value in enumerate(encoded.dictionary.to_pylist()):
            mask = 0
            try:
                mask = self._mask(value)
            except UnusableValue as unusable:
                broken.setdefault(unusable.what, []).append(at)
            table += mask.to_bytes(self._length // 8, "big")
        distinct = np.frombuffer(bytes(table), dtype=np.uint8).reshape(-1, self._length // 8)
        return distinct[places], {rule: np.flatnonzero(np.isin(places, which)) for rule, which in broken.items()}

    def _mask(self, value: str) -> int:
        known = self._values.get(value)
        if known is not None:
            return known
        missing = self._hashing.missing
        if missing is not None and value == missing.sentinel:
            text = missing.sentinel if missing.replace_with is None else missing.replace_with
        else:
            text = formatted(value, self._format)
        parts = tokens(text, self._hashing.comparison)
        mask = 0
        for token, count in zip(
            parts, bits_per_token(self._hashing.strategy, len(parts)) if parts else (), strict=True
        ):
            mask |= self._token(token, count)
        if len(self._values) < _MOST_REMEMBERED:
            self._values[value] = mask
        return mask

    def _token(self, token: str, count: int) -> int:
        known = self._tokens.get((token, count))
        if known is None:
            known = 0
            for place in self._places(token, count):
                known |= 1 << (self._length - 1 - place)
            if len(self._tokens) < _MOST_REMEMBERED:
                self._tokens[token, count] = known
        return known


def _folded(filters: Bytes, folds: int) -> Bytes:
    """Halves XORed onto each other (Schnell and Borgs 2016, doi:10.1109/ICDMW.2016.0032)."""
    for _ in range(folds):
        half = filters.shape[1] // 2
        filters = filters[:, :half] ^ filters[:, half:]
    return filters
