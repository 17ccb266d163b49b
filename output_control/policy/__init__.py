"""The output policy: what counts as safe, read from files; nothing here is a default.

The public part (``configs/policies/<name>.yaml``) is readable by everyone and says for every value where it comes
from. The confidential part (dominance parameters) lies in the gate's zone with mode 0600, beside the salt of the
commitment to it that each release carries. A part that is missing, unreadable, incomplete or knows a field that this
code does not know is refused: the gate never falls back on a value of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import stat
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from enclave.entropy import Entropy
from enclave.errors import BadInput, Fault, KeyUnavailable, Refused
from enclave.files import write_bytes
from enclave.fingerprints import canonical_json
from enclave.requests import Slug
from enclave.yaml_files import NotYaml, read_fields
from output_control.alternatives.allowed import AllowedProtection
from output_control.policy.models import DistributionRules, OutputKind
from output_control.policy.values import PolicyFile, Sourced
from output_control.protection import CountProtection, Exact, Options, Range, Width
from output_control.tables.rules import Dominance, MinimumFrequency, PPercent, PriorPosterior, Rule, for_signed

SALT_BYTES = 32
SALT_FILE = "commitment.salt"
NOISE_FILE = "noise.key"


class CountInterval(PolicyFile):
    """How open a hidden count must stay: ``exact`` (not one point), ``width`` w, or ``range`` (covers 0…n−1)."""

    kind: Literal["exact", "width", "range"]
    width: int | None = Field(default=None, ge=1, le=100)

    @model_validator(mode="after")
    def _width_where_it_belongs(self) -> CountInterval:
        if (self.kind == "width") != (self.width is not None):
            raise ValueError("a width belongs to kind width, and only there")
        return self

    def protection(self) -> CountProtection:
        """The same, as the suppressor and the audit read it."""
        if self.width is not None:
            return Width(self.width)
        return Exact() if self.kind == "exact" else Range()


class CountRounding(PolicyFile):
    """How published counts are rounded: ``none``, or each cell by itself to the nearest multiple of ``base``."""

    kind: Literal["none", "nearest"]
    base: int | None = Field(default=None, ge=2, le=1000)

    @model_validator(mode="after")
    def _base_where_it_belongs(self) -> CountRounding:
        if (self.kind == "nearest") != (self.base is not None):
            raise ValueError("a base belongs to kind nearest, and only there")
        return self


class NegativeContributions(PolicyFile):
    """Measures of either sign: dominance reduced by ``factor`` (``shift``), or the minimum frequency alone."""

    kind: Literal["shift", "frequency_only"]
    factor: float | None = Field(default=None, gt=1, le=100)

    @model_validator(mode="after")
    def _factor_where_it_belongs(self) -> NegativeContributions:
        if (self.kind == "shift") != (self.factor is not None):
            raise ValueError("a factor belongs to kind shift, and only there")
        return self


class TableRules(PolicyFile):
    """What holds for tables; units are distinct protected units.

    ``zeros``: empty cells are ``tested`` as group disclosure, or ``structural``: everyone knows that they are empty.
    ``weights``: sampling weights are ``secret`` (dominance compares unweighted contributions with the weighted total)
    or ``public`` (both weighted). ``mean_units``, ``percentage_units``: what a mean, and the whole of a percentage,
    needs; ``percentile_units``: units on each side. ``figure_digits``: significant digits of everything that is no
    count or sum.
    ``unions``: what hidden cells add up to is judged as a cell where it can be computed, in ``all`` tables, or where
    figures add up contributions or a unit has several records (``contributors``).
    ``protections``: the ways to protect a table besides suppression; without it, or with an empty list, there is none.
    """

    minimum_frequency: Sourced[Annotated[int, Field(ge=2, le=1000)]]
    count_protection: Sourced[CountInterval]
    group_share: Sourced[Annotated[float, Field(gt=0.5, lt=1)]]
    singletons: Sourced[bool]
    finest_geography: Sourced[Annotated[str, Field(min_length=1, description="name of a level, such as BU")]]
    most_cells: Sourced[Annotated[int, Field(ge=1)]]
    warn_primary_share: Sourced[Annotated[float, Field(gt=0, le=1)]]
    zeros: Sourced[Literal["tested", "structural"]]
    weights: Sourced[Literal["secret", "public"]]
    negatives: Sourced[NegativeContributions]
    mean_units: Sourced[Annotated[int, Field(ge=2, le=10_000)]]
    percentage_units: Sourced[Annotated[int, Field(ge=2, le=10_000)]]
    percentile_units: Sourced[Annotated[int, Field(ge=2, le=10_000)]]
    figure_digits: Sourced[Annotated[int, Field(ge=1, le=6)]]
    count_rounding: Sourced[CountRounding]
    unions: Sourced[Literal["all", "contributors"]]
    protections: Sourced[tuple[AllowedProtection, ...]] | None = None


class ModelRules(PolicyFile):
    """What holds for regressions and trees.

    ``level_units``: distinct units that each value of a 0/1 or categorical variable needs, in each outcome class when
    ``level_by_outcome``. ``unit_leverage``: the largest share of one coefficient's information that a single unit may
    hold. ``count_base``: published numbers of records, units and events are rounded to multiples of it.
    """

    residual_df: Sourced[Annotated[int, Field(ge=1)]]
    level_units: Sourced[Annotated[int, Field(ge=2)]]
    level_by_outcome: Sourced[bool]
    unit_leverage: Sourced[Annotated[float, Field(gt=0, lt=1)]]
    coefficient_digits: Sourced[Annotated[int, Field(ge=1, le=6)]]
    leaf_units: Sourced[Annotated[int, Field(ge=2)]]
    threshold_digits: Sourced[Annotated[int, Field(ge=1, le=4)]]
    count_base: Sourced[Annotated[int, Field(ge=1, le=1000)]]


class PublicPart(PolicyFile):
    """The part of the policy that everyone may read; it goes into every release."""

    profile: Slug
    title: Annotated[str, Field(min_length=3, max_length=200)]
    output_kinds: Sourced[Annotated[tuple[OutputKind, ...], Field(min_length=1)]]
    tables: TableRules
    models: ModelRules
    distributions: DistributionRules


class ShareRule(PolicyFile):
    """(n,k) dominance: the ``n`` largest units may hold at most ``k`` percent."""

    n: int = Field(ge=1, le=3, repr=False)
    k: float = Field(gt=0, lt=100, repr=False)


class PriorPosteriorRule(PolicyFile):
    """pq: who knows every contribution within ``q`` percent may not come to know one within ``p`` percent."""

    p: float = Field(gt=0, le=100, repr=False)
    q: float = Field(gt=0, le=100, repr=False)

    @model_validator(mode="after")
    def _gains_something(self) -> PriorPosteriorRule:
        if self.p >= self.q:
            raise ValueError("p must be below q")
        return self


# What `ConfidentialPart._says_something` asks, for editors that check by the schema.
_ONE_DOMINANCE_RULE: dict[str, JsonValue] = {
    "anyOf": [
        {"properties": {"dominance": {"minItems": 1}}},
        {"properties": {"p_percent": {"type": "number"}}},
        {"properties": {"prior_posterior": {"type": "object"}}},
    ]
}


class ConfidentialPart(PolicyFile):
    """Parameters of the dominance rules; never shown, so neither ``repr`` nor a message holds them.

    ``p_coalition``: how many contributors may put together what they know, in the p% rule and of cells that hold them.
    ``singleton_share``: how far, as a share of its levels, contributors of other cells must stay from a sensitive
    magnitude in all; ``part_share``: from above. ``magnitude_width_share``: by how much of its value a magnitude of few
    units must stay open.
    """

    model_config = ConfigDict(json_schema_extra=_ONE_DOMINANCE_RULE)
    profile: Slug
    dominance: tuple[ShareRule, ...] = Field(repr=False)
    p_percent: float | None = Field(gt=0, le=100, repr=False)
    p_coalition: int = Field(ge=1, le=2, repr=False)
    singleton_share: float = Field(gt=0, le=1, repr=False)
    part_share: float = Field(ge=0, le=1, repr=False)
    magnitude_width_share: float = Field(gt=0, le=1, repr=False)
    prior_posterior: PriorPosteriorRule | None = Field(repr=False)

    @model_validator(mode="after")
    def _says_something(self) -> ConfidentialPart:
        if not self.dominance and self.p_percent is None and self.prior_posterior is None:
            raise ValueError("at least one dominance rule must be given")
        return self


class Policy(BaseModel):
    """Both parts and the gate's two secrets: the commitment's salt and the key of the noise (empty: none)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    public: PublicPart
    confidential: ConfidentialPart = Field(repr=False)
    salt: bytes = Field(repr=False, min_length=SALT_BYTES)
    noise_key: bytes = Field(default=b"", repr=False)

    @model_validator(mode="after")
    def _parts_of_one_policy(self) -> Policy:
        if self.public.profile != self.confidential.profile:
            raise ValueError("the two parts belong to different profiles")
        return self

    def frequency_rule(self) -> MinimumFrequency:
        """The minimum frequency on distinct units."""
        return MinimumFrequency(self.public.tables.minimum_frequency.value)

    def dominance_rules(self) -> tuple[Rule, ...]:
        """The confidential rules on the largest contributions."""
        hidden = self.confidential
        rules: list[Rule] = [Dominance(rule.n, rule.k) for rule in hidden.dominance]
        if hidden.p_percent is not None:
            rules.append(PPercent(hidden.p_percent, hidden.p_coalition))
        if hidden.prior_posterior is not None:
            rules.append(PriorPosterior(hidden.prior_posterior.p, hidden.prior_posterior.q))
        return tuple(rules)

    def signed_rules(self) -> tuple[Rule, ...]:
        """The dominance rules for a measure of either sign; none where the minimum frequency alone is asked."""
        factor = self.public.tables.negatives.value.factor
        return () if factor is None else tuple(for_signed(rule, factor) for rule in self.dominance_rules())

    @property
    def protections(self) -> tuple[AllowedProtection, ...]:
        """The ways to protect a table that are allowed besides suppression."""
        listed = self.public.tables.protections
        return () if listed is None else listed.value

    def options(self, *, threads: int = 1) -> Options:
        """What the suppressor and the audit are asked for."""
        return Options(
            count_protection=self.public.tables.count_protection.value.protection(),
            singletons=self.public.tables.singletons.value,
            coalition=self.confidential.p_coalition,
            singleton_share=self.confidential.singleton_share,
            part_share=self.confidential.part_share,
            width_share=self.confidential.magnitude_width_share,
            method="bounded",  # its work grows with the table, not with the luck of a search
            threads=threads,
            occupied=True,  # empty cells leave as 0
        )

    def commitment(self) -> str:
        """SHA-256 over salt and confidential part: binds the office to it, and tells nobody what it is."""
        content = canonical_json(self.confidential.model_dump(mode="json"))
        return hashlib.sha256(b"zicht policy commitment\0" + self.salt + content).hexdigest()

    def noise_commitment(self) -> str:
        """HMAC-SHA-256 of a fixed text under the noise key: another one for another key, and tells nothing of it."""
        return hmac.digest(self.noise_key, b"zicht noise key", "sha256").hex()

    def public_document(self) -> bytes:
        """``policy.json`` of a release: the public part and the commitment; same files, same bytes."""
        document = {
            "policy": self.public.model_dump(mode="json"),
            "confidential_part": {
                "commitment": self.commitment(),
                "algorithm": "SHA-256(label, salt, canonical JSON); the salt stays with the gate",
            },
        }
        return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def load_policy(public: Path, gate_folder: Path) -> Policy:
    """Read the public part at ``public``, and its confidential part and salt in ``gate_folder``.

    Raises:
        KeyUnavailable: the confidential part or the salt is missing or not readable by this user.
        Refused: a part does not hold, is readable by others, or the parts are of different profiles; the message
            names fields, never values.
    """
    open_part = _parse(PublicPart, _read_public(public), public.name)
    confidential_file = gate_folder / f"{public.stem}.confidential.yaml"
    hidden = _parse(ConfidentialPart, _read_private(confidential_file), confidential_file.name)
    salt = _read_private(gate_folder / SALT_FILE)
    if len(salt) < SALT_BYTES:
        raise KeyUnavailable("the salt of the policy's commitment is too short", where=SALT_FILE)
    if open_part.profile != hidden.profile:
        raise Refused("the public and the confidential part are of different profiles", where=public.name)
    noise = gate_folder / NOISE_FILE
    key = _read_private(noise) if noise.exists() else b""
    return Policy(public=open_part, confidential=hidden, salt=salt, noise_key=key)


def provision_confidential(example: Path, gate_folder: Path, entropy: Entropy) -> Path:
    """Put a checked confidential part, a salt and a noise key into the gate's folder; secrets that are there stay.

    ``example`` is named ``<profile>.confidential.example.yaml`` (the demo's) or ``<profile>.confidential.yaml``.

    Raises:
        BadInput: ``example`` is missing or does not hold.
    """
    try:
        content = example.read_bytes()
        _parse(ConfidentialPart, content, example.name)
    except (OSError, Refused) as error:
        reason = error.what if isinstance(error, Refused) else "not readable"
        raise BadInput(f"no confidential part to provision: {reason}", where=example.name) from None
    target = gate_folder / example.name.replace(".example", "")
    write_bytes(target, content, mode=0o600)
    for name, label in ((SALT_FILE, f"policy commitment {target.name}"), (NOISE_FILE, "noise key")):
        if not (gate_folder / name).exists():
            write_bytes(gate_folder / name, entropy.draw(SALT_BYTES, label), mode=0o600)
    return target


def policy_schema() -> str:
    """JSON Schema of the public part, as it stands in ``configs/policies/policy.schema.json``."""
    return _schema_of(PublicPart)


def confidential_schema() -> str:
    """JSON Schema of the confidential part, as in ``configs/policies/confidential.schema.json``: fields, no values."""
    return _schema_of(ConfidentialPart)


def _schema_of(part: type[PolicyFile]) -> str:
    return json.dumps(part.model_json_schema(), indent=2, sort_keys=True) + "\n"


def _read_public(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise Refused(
            "the policy is not there or not readable",
            where=path.name,
            next_step="name a policy of configs/policies/ in the project file",
        ) from None


def _read_private(path: Path) -> bytes:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Refused(
                "the confidential part of the policy is open to other users",
                where=path.name,
                next_step="set its mode to 0600 and have the office decide whether to change it",
            )
        return path.read_bytes()
    except OSError:
        raise KeyUnavailable(
            "the confidential part of the policy is not readable here",
            where=path.name,
            next_step="run the gate as the user who owns the gate's zone",
        ) from None


Part = TypeVar("Part", bound=BaseModel)


def _parse(model: type[Part], content: bytes, name: str) -> Part:
    """YAML by way of JSON, so that strict typing reads a YAML list as a tuple; names fields in what it raises."""
    try:
        return model.model_validate_json(json.dumps(read_fields(content)))
    except NotYaml as error:
        raise Refused(f"the policy does not hold: {error}", where=name) from None
    except TypeError:
        raise Refused("the policy does not hold: it has a date or the like", where=name) from None
    except ValidationError as error:
        faults = [
            str(Fault(name, "policy", item["msg"] + ": " + ".".join(str(part) for part in item["loc"])))
            for item in error.errors(include_input=False, include_context=False, include_url=False)
        ]
        raise Refused("the policy cannot be evaluated\n" + "\n".join(f"  - {fault}" for fault in faults)) from None
