"""``Frame[Pseudonymised]`` and registers → ``Frame[Linked]``: every unit by a number of this project, nothing else.

The order of work is what makes it safe to stop anywhere: the key table, then numbers for all new units (committed),
then one data set after the other (each appears whole). Running again finds what is there.
"""

# ruff: noqa: S608 (statements hold names from checked files and constants, never a value)
from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from enclave.encrypted_files import DataKey
from enclave.engine import Engine
from enclave.entropy import Entropy
from enclave.errors import NotReady
from enclave.files import write_text
from enclave.frames import Frame, FrameManifest, manifest_columns, writing_frame
from enclave.project import Key, Project
from enclave.zones import Linked, Pseudonymised, Zone
from linkage.breakdown import (
    Background,
    attach_background,
    cell_term,
    class_terms,
    context_columns,
    counts_of,
    groups_of,
    told_by_register,
)
from linkage.clerical_review import ClericalReview, clerical_review, read_verdicts, verdicts_file
from linkage.evidence import MatchEvidence, read_evidence
from linkage.key_register import PAIRS, KeyTableVersion, versions
from linkage.key_zone import KeyZone
from linkage.matches import labelled_file, read_labelled
from linkage.minimisation import minimise
from linkage.nonlinkage import Cells, count_cells, load_weights
from linkage.population import population_groups
from linkage.quality import KeyQuality, QualityReport, balance, key_quality
from linkage.quality_pages import quality_files, write_quality
from linkage.rekeying import names_of_unmatched
from linkage.report import DataSetReport, Group, KeyReport, KeyTableReport, LinkageReport, total
from linkage.sources import NONLINKAGE, Source, attach_source, find_sources, output_columns
from linkage.subgroups import SubgroupRates, subgroup_rates
from linkage.tally import Tally
from linkage.units import Assigned, assign, later_matched, load_units, update_remap

REPORT = "linkage"


@dataclass(frozen=True, slots=True)
class LinkResult:
    """The linked data sets by name, and the full report (custodian only; :meth:`LinkageReport.for_researchers`)."""

    frames: Mapping[str, Frame[Linked]]
    report: LinkageReport


def link(
    project: Project,
    *,
    pseudonymised: Mapping[str, Sequence[Frame[Pseudonymised]]],
    registers: Path,
    zone: KeyZone,
    engine: Engine,
    out: Path,
    entropy: Entropy,
    dropped: Mapping[str, Collection[str]] | None = None,
    suppliers: Mapping[str, Sequence[str]] | None = None,
    named: Mapping[str, Collection[str]] | None = None,
    reference_year: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
    key_of: Callable[[str, str], DataKey] | None = None,
    labels: Mapping[str, Mapping[str, str]] | None = None,
) -> LinkResult:
    """Link all data sets of ``project`` into the folder ``out``.

    Args:
        project: the project file.
        pseudonymised: delivery schema -> its frames, in a fixed order (suppliers sorted).
        registers: folder below which ``data.<set>.register`` names Parquet files, without the ending.
        zone: the project's key tables; :func:`linkage.key_register.build_key_table` has been run.
        engine: may read ``registers`` and the frames; its scratch is private and in no backup.
        out: ``linked/<project>``; gets ``<data set>.parquet`` and the researchers' report.
        entropy: source of the numbers.
        dropped: delivery schema -> columns that pseudonymisation removes, for a clearer refusal.
        suppliers: delivery schema -> supplier per frame, for the report; without it, the folder that a frame lies in.
        named: analysis -> texts in its code, for the minimisation report.
        reference_year: year that age bands refer to; without it, the year in the person register's name.
        progress: told each data set's name before it is linked.
        key_of: data set, retention date -> the key under which it lies; without it (tests) the sets are plain Parquet.
        labels: breakdown of the quality report (``origin``, ``sex``) -> code -> label.

    Raises:
        NotReady: no key table yet, a register or a delivery is missing.
        Refused, BadInput: see :func:`linkage.sources.find_sources`; nothing is written.
    """
    version = _latest(zone)
    sources = find_sources(
        project, pseudonymised=pseudonymised, registers=registers, dropped=dropped or {}, version=version
    )
    engine.load("hashes", zone.reader(version.files, PAIRS))
    renamed = names_of_unmatched(zone, version.key_version)
    engine.load("unmatched", renamed.to_reader())
    for source in sources:
        attach_source(source, engine, context_columns(source), zone, registers=registers, renamed=renamed.num_rows > 0)
    assigned = _assign(project, sources, zone, engine, entropy)
    remapped = update_remap(version.version, zone=zone, engine=engine)
    background = attach_background(sources, engine, reference_year)
    frames, reports, qualities = {}, [], []
    for source in sources:
        progress(source.name)
        names = (suppliers or {}).get(source.data.delivery) or [frame.path.parent.name for frame in source.frames]
        keys = _counted(source, engine, background, names) if source.is_delivery else {}
        frames[source.name], tally = _write(project, source, engine, out, background, key_of=key_of)
        reports.append(_data_set_report(source, tally, keys))
        qualities += _qualities(
            source, reports[-1], keys, engine=engine, background=background, suppliers=names, zone=zone
        )
    report = LinkageReport(
        project=project.name,
        key_tables=KeyTableReport(
            version=version.version,
            hashes=version.hashes,
            ambiguous=version.ambiguous,
            units=assigned.total,
            new_units=assigned.new,
            remapped=remapped,
        ),
        # who belongs together follows from the register; no identifier was looked up for it
        overall=total(
            found.counts
            for source, report in zip(sources, reports, strict=True)
            for key, found in zip(source.data.keys, report.keys, strict=True)
            if report.delivered and key.derived is None
        ),
        data_sets=tuple(reports),
        minimisation=minimise(project, _attributes(sources, pseudonymised), named or {}),
    )
    own = _report_files(report)
    for name, text in _report_files(report.for_researchers()).items():
        write_text(out / name, text, mode=0o440)
    if qualities:
        quality = QualityReport(project=project.name, keys=tuple(qualities), labels=labels or {})
        own |= quality_files(quality)
        write_quality(quality.for_researchers(), out, mode=0o440)
    zone.write_texts(own)
    zone.remove(zone.with_prefix(REPORT) - own.keys())
    return LinkResult(frames, report)


def _latest(zone: KeyZone) -> KeyTableVersion:
    known = versions(zone)
    if not known or not all((zone.folder / name).is_file() for name in known[-1].files):
        raise NotReady("the project has no key table yet", next_step="build it from the key register first")
    return known[-1]


def _assign(project: Project, sources: Sequence[Source], zone: KeyZone, engine: Engine, entropy: Entropy) -> Assigned:
    load_units(zone, engine)
    quote = engine.dialect.quote
    needed = [
        f"SELECT {quote(key.name + '__unit')} AS unit FROM keyed_{source.name}"
        for source in sources
        for key in source.data.keys
    ]
    # Units that were unmatched and are known now: both numbers must exist for the remap table.
    needed.append(later_matched())
    return assign(" UNION ".join(needed), project=project.name, zone=zone, engine=engine, entropy=entropy)


@dataclass(frozen=True, slots=True)
class _Counted:
    """Of one key of a delivery: counts by category, those told by the register, and the classes that weights are of."""

    groups: tuple[Group, ...]
    told_by_register: frozenset[str]
    cells: Cells


def _counted(source: Source, engine: Engine, background: Background, suppliers: Sequence[str]) -> dict[str, _Counted]:
    """Per key; makes the tables of weights that :func:`_query` joins."""
    made = {}
    for key in source.data.keys:
        groups = groups_of(source, key, engine=engine, background=background, suppliers=suppliers)
        by = list(class_terms(source, key, background, engine.dialect))
        cells = count_cells(f"categories_{source.name}_{key.name}", by, engine)
        if key.nonlinkage_weights:
            load_weights(f"nonlinkage_{source.name}_{key.name}", cells, engine)
        made[key.name] = _Counted(groups, told_by_register(source, key, background, engine.dialect), cells)
    return made


def _write(
    project: Project,
    source: Source,
    engine: Engine,
    out: Path,
    background: Background,
    *,
    key_of: Callable[[str, str], DataKey] | None,
) -> tuple[Frame[Linked], Tally]:
    query = _query(source, engine, background)
    schema = engine.schema(query)
    roles = {key.name: f"key:{key.kind}" for key in source.data.keys}
    roles |= {name: f"status:{key.kind}" for key in source.data.keys for name in output_columns(key)[1:]}
    periods = sorted({frame.manifest.period for frame in source.frames})
    dates = [frame.manifest.retention_date for frame in source.frames if frame.manifest.retention_date]
    manifest = FrameManifest(
        zone=Zone.LINKED,
        name=source.name,
        project=project.name,
        columns=manifest_columns(schema, roles),
        made_by="linkage",
        parents=source.parents,
        period=", ".join(periods),
        retention_date=min([project.retention_date.isoformat(), *dates]),
    )
    path = out / f"{source.name}.parquet"
    keys = [key.name for key in source.data.keys]
    key = key_of(source.name, manifest.retention_date) if key_of else None
    with writing_frame(path, manifest, schema, key=key) as sink:
        tally = Tally(keys, sink.write)
        engine.write(query, keys, tally)
    return Frame(path, Linked, manifest, sink.rows), tally


def _query(source: Source, engine: Engine, background: Background) -> str:
    quote = engine.dialect.quote
    columns, joins = [], []
    for at, key in enumerate(source.data.keys):
        status = quote(f"{key.name}_status")
        plain = [name for name in output_columns(key)[1:] if name != f"{key.name}_{NONLINKAGE}"]
        columns += [f"u{at}.integer AS {quote(key.name)}", *(f"k.{quote(name)}" for name in plain)]
        joins.append(f"LEFT JOIN units u{at} ON k.{quote(key.name + '__unit')} = u{at}.unit")
        if key.nonlinkage_weights:
            cell = cell_term(source, key, background, engine.dialect)
            joins.append(f"LEFT JOIN nonlinkage_{source.name}_{key.name} w{at} ON w{at}.cell = {cell}")
            weight = f"CASE WHEN k.{status} = 'R' THEN w{at}.weight END"
            columns.append(f"{weight} AS {quote(f'{key.name}_{NONLINKAGE}')}")
    columns += [f"k.{quote(name)}" for name in source.declared]
    return f"SELECT {', '.join(columns)} FROM keyed_{source.name} k {' '.join(joins)}"


def _data_set_report(source: Source, tally: Tally, counted: Mapping[str, _Counted]) -> DataSetReport:
    keys = []
    for key in source.data.keys:
        found, counts = counted.get(key.name), counts_of(tally.statuses[key.name])
        groups, told = (found.groups, tuple(sorted(found.told_by_register))) if found else ((), ())
        keys.append(KeyReport(key=key.name, kind=key.kind, counts=counts, groups=groups, told_by_register=told))
    return DataSetReport(
        name=source.name,
        source=source.data.delivery or source.data.register_file,
        delivered=source.is_delivery,
        rows=tally.rows,
        duplicates=tally.duplicates,
        several_records=tally.several,
        most_records=tally.most,
        keys=tuple(keys),
    )


def _qualities(
    source: Source,
    report: DataSetReport,
    counted: Mapping[str, _Counted],
    *,
    engine: Engine,
    background: Background,
    suppliers: Sequence[str],
    zone: KeyZone,
) -> list[KeyQuality]:
    """Of every key of a delivery."""
    made = []
    for key, found in zip(source.data.keys, report.keys, strict=True):
        if key.name not in counted or key.derived is not None:
            continue
        evidence = read_evidence(zone, source.name, key.name) if key.is_matched else None
        cells, told = counted[key.name].cells, counted[key.name].told_by_register
        quality = key_quality(
            source, key, found, cells, evidence, engine=engine, suppliers=suppliers, told_by_register=told
        )
        subgroups = _subgroups(source, key, engine, background, zone)
        more = {
            "subgroups": subgroups,
            "review": _clerical_review(source, key, evidence, zone),
            "population": balance(population_groups(source, key, engine=engine, background=background)),
        }
        made.append(quality.model_copy(update=more))
    return made


def _clerical_review(source: Source, key: Key, evidence: MatchEvidence | None, zone: KeyZone) -> ClericalReview | None:
    if evidence is None:
        return None
    return clerical_review(read_verdicts(zone, verdicts_file(source.name, key.name), evidence.sample), evidence)


def _subgroups(
    source: Source, key: Key, engine: Engine, background: Background, zone: KeyZone
) -> tuple[SubgroupRates, ...]:
    labelled = read_labelled(zone, labelled_file(source.name, key.name))
    if labelled is None:
        return ()
    if key.matched_kind != "person":
        background = replace(background, persons=False, origins=False)
    table = f"labelled_{source.name}_{key.name}"
    return subgroup_rates(labelled, table, engine=engine, background=background, source=source)


def _attributes(
    sources: Sequence[Source], pseudonymised: Mapping[str, Sequence[Frame[Pseudonymised]]]
) -> dict[str, list[str]]:
    """Delivered columns that are neither keys nor record numbers: by data set, and by schema where none uses it."""
    found = {source.name: _plain_columns(source.frames) for source in sources if source.frames}
    used = {source.data.delivery for source in sources}
    return found | {name: _plain_columns(frames) for name, frames in pseudonymised.items() if name not in used}


def _plain_columns(frames: Sequence[Frame[Pseudonymised]]) -> list[str]:
    roles = {column.name: column.role for frame in frames for column in frame.manifest.columns}
    return sorted(name for name, role in roles.items() if role in ("attribute", "text"))


def _report_files(report: LinkageReport) -> dict[str, str]:
    return {f"{REPORT}.json": report.model_dump_json(indent=1) + "\n", f"{REPORT}.md": report.markdown()}
