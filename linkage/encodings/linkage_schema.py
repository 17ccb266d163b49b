"""Linkage schemas: which fields of a person go into a filter, and how. The published form of clkhash, version 3.

https://data61.github.io/schemas/clkhash/linkage-schema-v3.json; what is not understood here is refused, since two sides
that read a schema differently make filters that never meet.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from enclave.encoding_label import FEWEST_BITS, MOST_BITS
from enclave.errors import BadInput, Fault
from enclave.files import read_small
from enclave.fingerprints import digest_json

_MOST_FEATURES = 60
"""HKDF gives 255 digests at most (RFC 5869), and every feature takes two keys."""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Kdf(_File):
    """HKDF; ``salt`` and ``info`` are base64, ``key_size`` in bytes."""

    type: Literal["HKDF"]
    hash: Literal["SHA256", "SHA512"] = "SHA256"
    salt: str | None = None
    info: str | None = None
    key_size: int = Field(default=64, ge=16, le=64, alias="keySize")

    @model_validator(mode="after")
    def _is_base64(self) -> Kdf:
        for text in (self.salt, self.info):
            decoded(text)
        return self


def decoded(text: str | None) -> bytes | None:
    """The bytes of a base64 text; None of None.

    Raises:
        ValueError: it is none.
    """
    try:
        return None if text is None else base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("salt and info are base64") from None


class ClkConfig(_File):
    """``bits`` of a filter after folding; ``xor_folds``: how often its halves are XORed onto each other."""

    bits: int = Field(ge=FEWEST_BITS, le=MOST_BITS, multiple_of=8, alias="l")
    kdf: Kdf
    xor_folds: int = Field(default=0, ge=0, le=4)

    @property
    def unfolded(self) -> int:
        """Bits before folding."""
        return self.bits << self.xor_folds


class Comparison(_File):
    """How a value is taken apart."""

    type: Literal["ngram", "exact", "numeric"]
    n: int = Field(default=2, ge=1, le=8)
    positional: bool = False
    threshold_distance: float = Field(default=1.0, gt=0, alias="thresholdDistance")
    resolution: int = Field(default=1, ge=1, le=1000)
    fractional_precision: int = Field(default=0, ge=0, le=12)


class Strategy(_File):
    """How many bits a token, or all tokens of a feature together, are given; exactly one of the two."""

    bits_per_token: int | None = Field(default=None, ge=1, le=1000, alias="bitsPerToken")
    bits_per_feature: int | None = Field(default=None, ge=1, le=16_384, alias="bitsPerFeature")

    @model_validator(mode="after")
    def _one(self) -> Strategy:
        if (self.bits_per_token is None) == (self.bits_per_feature is None):
            raise ValueError("a strategy is bitsPerToken or bitsPerFeature")
        return self


class Hash(_File):
    """``blakeHash``: keyed BLAKE2b, independent places; ``doubleHash``: HMAC of SHA-1 and MD5 (Schnell 2011)."""

    type: Literal["blakeHash", "doubleHash"] = "blakeHash"
    prevent_singularity: bool | None = None


class Missing(_File):
    """``sentinel``: how no value is written; it is encoded as ``replaceWith``."""

    sentinel: str
    replace_with: str | None = Field(default=None, alias="replaceWith")


class Hashing(_File):
    """How a feature goes into the filter."""

    comparison: Comparison
    strategy: Strategy
    hash: Hash = Hash()
    missing: Missing | None = Field(default=None, alias="missingValue")


class Format(_File):
    """What a value must look like."""

    type: Literal["string", "integer", "date", "enum"]
    encoding: Literal["ascii", "utf-8"] = "utf-8"
    case: Literal["upper", "lower", "mixed"] = "mixed"
    min_length: int = Field(default=0, ge=0, alias="minLength")
    max_length: int | None = Field(default=None, ge=1, alias="maxLength")
    pattern: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    format: str | None = None
    values: tuple[str, ...] = ()
    description: str = ""

    @model_validator(mode="after")
    def _holds_together(self) -> Format:
        if (self.type == "date") != (self.format is not None):
            raise ValueError("a date, and only a date, has a format")
        if (self.type == "enum") != bool(self.values):
            raise ValueError("an enum, and only an enum, has values")
        try:
            re.compile(self.pattern or "")
        except re.error:
            raise ValueError("the pattern is no regular expression") from None
        return self


class Feature(_File):
    """A field of a person; ``ignored`` ones take a key and no bit."""

    identifier: Annotated[str, Field(min_length=1, max_length=200)]
    description: str = ""
    ignored: bool = False
    format: Format | None = None
    hashing: Hashing | None = None

    @model_validator(mode="after")
    def _whole(self) -> Feature:
        if not self.ignored and (self.format is None or self.hashing is None):
            raise ValueError("a feature that is not ignored has a format and a hashing")
        return self


class LinkageSchema(_File):
    """A linkage schema. ``digest`` is the SHA-256 of what was written in it, so that two sides can compare."""

    version: Literal[3]
    clk: ClkConfig = Field(alias="clkConfig")
    features: tuple[Feature, ...] = Field(min_length=1, max_length=_MOST_FEATURES)
    digest: str = ""

    @model_validator(mode="after")
    def _holds_together(self) -> LinkageSchema:
        used = [feature for feature in self.features if not feature.ignored]
        if len({feature.identifier for feature in self.features}) < len(self.features):
            raise ValueError("two features have one identifier")
        if not used:
            raise ValueError("all features are ignored")
        blake = any(feature.hashing and feature.hashing.hash.type == "blakeHash" for feature in used)
        if blake and self.clk.bits.bit_count() != 1:
            raise ValueError("with blakeHash, l is a power of two")
        return self

    @property
    def used(self) -> tuple[str, ...]:
        """Identifiers of the features that are not ignored."""
        return tuple(feature.identifier for feature in self.features if not feature.ignored)


def load_linkage_schema(path: Path) -> LinkageSchema:
    """Read a linkage schema; all faults at once.

    Raises:
        BadInput: missing, not JSON, or not version 3 as understood here. ``xorFolds``, the name that the published
            description has, is refused: clkhash reads ``xor_folds`` and would not fold.
    """
    try:
        fields: Any = json.loads(read_small(path).decode())
    except FileNotFoundError:
        raise BadInput("there is no such linkage schema", where=path.name, next_step="see configs/linkage/") from None
    except (ValueError, RecursionError):
        raise BadInput("the linkage schema is not readable as JSON", where=path.name) from None
    return parse_linkage_schema(fields, path.name)


def parse_linkage_schema(fields: Any, where: str) -> LinkageSchema:
    """See :func:`load_linkage_schema`."""
    if not isinstance(fields, dict) or "digest" in fields:
        raise BadInput("a linkage schema has version, clkConfig and features", where=where)
    published = {name: value for name, value in fields.items() if not name.startswith("$")}
    try:
        return LinkageSchema.model_validate({**published, "digest": digest_json(fields)})
    except ValidationError as error:
        faults = [Fault(where, "linkage schema", e["msg"], column=".".join(map(str, e["loc"]))) for e in error.errors()]
    raise BadInput("the linkage schema does not hold", where=where, faults=faults)
