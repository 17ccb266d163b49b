"""The manifest of a delivery: who delivers what, for which period and purpose, on what legal basis, and until when.

A delivery may hold several files, each of a schema of its own, for one supplier and period: :meth:`Manifest.parts` says
of each what the manifest of that file alone would say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from enclave.encoding_label import EncodingLabel
from enclave.entropy import Entropy
from enclave.errors import BadInput, Fault
from enclave.files import read_small
from enclave.long_numbers import holds_parted_number
from enclave.project import Project
from enclave.requests import Slug
from enclave.yaml_files import NotYaml, read_yaml
from pseudonymise.manifest_forms import form_of

if TYPE_CHECKING:
    from pseudonymise.schemas import DeliverySchema

MANIFEST = "manifest"
MAX_FILES = 20
TOKEN_BYTES = 6
DELIVERY_ID = re.compile(
    r"(?P<supplier>[A-Za-z][A-Za-z0-9_-]{1,39})-(?P<schema>[a-z][a-z0-9_]*)-(?P<period>[0-9]{4}(-[0-9]{4})?)-[0-9a-f]{12}"
)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeliveredFile(_File):
    """A file of the delivery: its name, SHA-256 (64 hexadecimal digits) and number of records (header not counted).

    ``schema`` and ``schema_version`` stand here when the delivery has several files; else the manifest's hold.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    rows: int = Field(ge=0)
    schema_name: Slug | Literal[""] = Field(default="", alias="schema")
    schema_version: int = Field(default=0, ge=0)


class Manifest(_File):
    """What the supplier declares.

    ``token`` (12 hexadecimal digits) is drawn at random, once, and makes the delivery's name. ``withdrawal`` is the
    SHA-256 of a secret that the supplier keeps: who shows the secret later may withdraw the delivery. ``replaces``
    names an earlier delivery that this one takes the place of, and ``replaces_proof`` shows that one's secret.
    ``encoding``: for filters of persons, what they were made under.
    """

    supplier: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{1,39}$")
    schema_name: Slug = Field(alias="schema")
    schema_version: int = Field(ge=1)
    period: Annotated[str, Field(pattern=r"^[0-9]{4}(-[0-9]{4})?$")]
    legal_basis: str = Field(max_length=300)
    purpose: str = Field(max_length=1000)
    retention_date: date
    contact: str = Field(max_length=300)
    files: tuple[DeliveredFile, ...] = Field(min_length=1, max_length=MAX_FILES)
    token: str = Field(default="", pattern=r"^([0-9a-f]{12})?$")
    withdrawal: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    replaces: str = Field(default="", pattern=rf"^({DELIVERY_ID.pattern})?$")
    replaces_proof: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    encoding: EncodingLabel | None = None

    @model_validator(mode="after")
    def _files_are_told_apart(self) -> Manifest:
        if len(self.files) == 1:
            return self
        schemas = [file.schema_name for file in self.files]
        if "" in schemas or len(set(schemas)) < len(schemas) or any(not file.schema_version for file in self.files):
            raise PydanticCustomError("files_alike", "several files each need a schema and version of their own")
        if self.encoding is not None:
            raise PydanticCustomError("filters_alone", "filters of persons are delivered by themselves")
        return self

    @property
    def file(self) -> DeliveredFile:
        """The first file, in most deliveries the only one."""
        return self.files[0]

    @property
    def delivery_id(self) -> str:
        """A name for this delivery: who, what, when, and the token, which follows from nothing that was delivered.

        Raises:
            BadInput: no token was drawn yet.
        """
        if not self.token:
            raise BadInput("the delivery has no token", where=MANIFEST, next_step="seal it: zicht delivery seal")
        return f"{self.supplier}-{self.schema_name}-{self.period}-{self.token}"

    def with_token(self, entropy: Entropy) -> Manifest:
        """The same with a token; one that stands is kept."""
        if self.token:
            return self
        return self.model_copy(update={"token": entropy.draw(TOKEN_BYTES, "delivery token").hex()})

    def parts(self) -> tuple[Manifest, ...]:
        """A manifest for each file by itself; they share the token, and so name each other."""
        if len(self.files) == 1:
            return (self,)
        return tuple(
            self.model_copy(
                update={
                    "schema_name": file.schema_name,
                    "schema_version": file.schema_version,
                    "files": (DeliveredFile(name=file.name, sha256=file.sha256, rows=file.rows),),
                }
            )
            for file in self.files
        )

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON values, without those that are empty."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest that a supplier wrote as YAML; all faults at once.

    Raises:
        BadInput: missing, not YAML, or a field is missing or wrong.
    """
    try:
        return parse_manifest(read_yaml(read_small(path)))
    except FileNotFoundError:
        raise BadInput("there is no such manifest", where=path.name) from None
    except NotYaml as error:
        raise BadInput(f"the manifest does not hold: {error}", where=path.name) from None


def parse_manifest(fields: object) -> Manifest:
    """Check the fields of a manifest.

    Raises:
        BadInput: names each field that is missing or wrong, not what it holds.
    """
    if not isinstance(fields, Mapping):
        raise BadInput("the manifest is not a list of fields and values", where=MANIFEST)
    try:
        return Manifest.model_validate(dict(fields))
    except ValidationError as error:
        wrong = [(e["type"], e["loc"]) for e in error.errors(include_input=False)]
    faults = [Fault(MANIFEST, "field", _plain(kind, place), column=_place(place)) for kind, place in wrong]
    raise BadInput("the manifest does not hold", where=MANIFEST, faults=faults)


def _plain(kind: str, place: tuple[int | str, ...]) -> str:
    known = {
        "missing": "the field is missing",
        "extra_forbidden": "there is no such field in a manifest",
        "files_alike": "of several files each needs a schema of its own, with its version",
        "filters_alone": "filters of persons are delivered by themselves",
    }
    return known.get(kind, f"the field must hold {form_of(str(place[-1]) if place else '')}")


def _place(parts: tuple[int | str, ...]) -> str:
    """Where in the manifest; names that the supplier made up are not repeated."""
    known = {*Manifest.model_fields, *DeliveredFile.model_fields, *EncodingLabel.model_fields, "schema"}
    return ".".join(str(part) if part in known or isinstance(part, int) else "…" for part in parts)


def refuse_incomplete(manifest: Manifest, today: date) -> None:
    """Raise at home what no project would receive.

    Raises:
        BadInput: no legal basis, purpose or contact, a date that has passed or a period that is none, long numbers.
    """
    refuse_fields(home_faults(manifest, today))


def refuse_fields(faults: Sequence[Fault]) -> None:
    """Raise when fields of a manifest do not hold."""
    if faults:
        raise BadInput(
            "the enclave would not receive a delivery with this manifest",
            where=MANIFEST,
            faults=faults,
            next_step="correct these fields of the manifest",
        )


def home_faults(manifest: Manifest, today: date) -> tuple[Fault, ...]:
    """Everything that keeps a delivery from being received in any project; the enclave makes the same check."""
    return tuple(
        Fault(MANIFEST, check, message, column=column) for check, column, message in _own_faults(manifest, today)
    )


def manifest_faults(
    manifest: Manifest, project: Project, schemas: Mapping[str, DeliverySchema], today: date
) -> tuple[Fault, ...]:
    """Everything that keeps this delivery from being received in this project."""
    return home_faults(manifest, today) + tuple(
        Fault(MANIFEST, check, message, column=column)
        for check, column, message in [
            *_project_faults(manifest, project),
            *(fault for part in manifest.parts() for fault in _schema_faults(part, project, schemas)),
        ]
    )


def _own_faults(manifest: Manifest, today: date) -> Iterator[tuple[str, str, str]]:
    if len(manifest.legal_basis.strip()) < 5:
        yield "legal_basis", "legal_basis", "a delivery without a legal basis is not received"
    if len(manifest.purpose.strip()) < 5:
        yield "purpose", "purpose", "a delivery without a purpose is not received"
    if len(manifest.contact.strip()) < 3:
        yield "contact", "contact", "there is nobody to send questions to"
    for name, text in (("legal_basis", manifest.legal_basis), ("purpose", manifest.purpose)):
        if holds_parted_number(text) or not text.isprintable():
            yield name, name, "holds a long number or characters that are not shown: it is read by many, in the journal"
    if any(holds_parted_number(file.name) for file in manifest.files):
        yield "file_name", "files", "the file's name holds a long number: names of files travel unprotected"
    try:
        from pseudonymise.schemas import period_years

        last = period_years(manifest.period)[1]
        if manifest.retention_date <= date(last, 12, 31):
            yield "retention", "retention_date", "the retention date lies within the period of the data"
    except BadInput as error:
        yield "period", "period", error.what
    if manifest.retention_date <= today:
        yield "retention", "retention_date", "the retention date has passed"


def _project_faults(manifest: Manifest, project: Project) -> Iterator[tuple[str, str, str]]:
    if manifest.retention_date > project.retention_date:
        yield "retention", "retention_date", "the retention date lies after the project's own"


def _schema_faults(
    manifest: Manifest, project: Project, schemas: Mapping[str, DeliverySchema]
) -> Iterator[tuple[str, str, str]]:
    schema = schemas.get(manifest.schema_name)
    if schema is None:
        yield "schema", "schema", "there is no such schema"
        return
    if schema.version != manifest.schema_version:
        yield "schema", "schema_version", f"the schema in use is version {schema.version}"
    if not manifest.file.name.lower().endswith(tuple(f".{form}" for form in schema.formats)):
        yield "file_name", "files", f"the schema asks for a {' or '.join(f'.{form}' for form in schema.formats)} file"
    yield from _encoding_faults(manifest, project, schema)
    if not _is_expected(manifest, project):
        yield "expected", "supplier", f"project {project.name} expects no such delivery from this supplier and period"


def _encoding_faults(manifest: Manifest, project: Project, schema: DeliverySchema) -> Iterator[tuple[str, str, str]]:
    """Filters made under another schema or secret are like nobody's: they would be received, and never be linked."""
    if (schema.filters is None) != (manifest.encoding is None):
        yield "encoding", "encoding", "filters of persons, and only they, come with what they were made under"
        return
    if schema.filters is None or manifest.encoding is None:
        return
    wanted = [
        key.encoded.label
        for data in project.data.values()
        for key in data.keys
        if data.delivery == schema.name and key.encoded is not None
    ]
    if not wanted:
        yield "encoding", "encoding", f"project {project.name} does not say how filters of this schema are made"
    for label in wanted:
        given = manifest.encoding
        if given.secret_check != label.secret_check:
            yield "encoding", "secret_check", "the filters were made with another secret than the project's"
        if given.linkage_schema != label.linkage_schema:
            yield "encoding", "linkage_schema", "the filters were made by another linkage schema than the project's"
        if not given.bits == label.bits == schema.filters.bits:
            yield "encoding", "bits", "the filters have another length than the project and the schema say"


def public_name(manifest: Manifest, project: Project) -> str:
    """The delivery's name for the journal; of one that the project does not expect nothing is said but its token."""
    if manifest.token and all(_is_expected(part, project) for part in manifest.parts()):
        return manifest.delivery_id
    return f"unexpected-{manifest.token or 'without-token'}"


def _is_expected(manifest: Manifest, project: Project) -> bool:
    return project.expects(manifest.supplier, manifest.schema_name, manifest.period)
