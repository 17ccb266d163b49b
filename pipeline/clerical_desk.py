"""The custodian's clerical review: the sample of pairs matched by likeness, and what a person says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from enclave.errors import NotReady
from enclave.fingerprints import Json
from enclave.journal import size_class
from enclave.zones import Zone
from linkage.clerical_review import Verdict, read_verdicts, sample_name, verdicts_file, write_verdicts
from linkage.review_sample import read_review_sample, review_file
from pipeline.custodian import ACTOR, CustodianDesk
from pipeline.linking import key_zone
from pipeline.matched_keys import first_date
from pipeline.office import utc_now

_COMMAND = "clerical-review"


def review_sample(desk: CustodianDesk, data_set: str, key: str) -> pa.Table:
    """The clerical-review sample of a key, for the custodian's eyes; looking is journalled.

    Raises:
        NotReady: none was drawn.
    """
    with desk.alone(), desk.journalling_keys(_COMMAND):
        return _standing_sample(desk, data_set, key)


def verdicts(desk: CustodianDesk, data_set: str, key: str, sample: pa.Table) -> dict[int, Verdict]:
    """What was said of the pairs of a sample so far, by number of pair."""
    zone, name = key_zone(desk.office, desk.custody), verdicts_file(data_set, key)
    with desk.journalling_keys(_COMMAND):
        found = read_verdicts(zone, name, sample_name(sample)).to_pylist()
    return {row["pair"]: Verdict(row["verdict"]) for row in found}


def judge(desk: CustodianDesk, data_set: str, key: str, sample: pa.Table, given: Mapping[int, Verdict]) -> int:
    """Add verdicts on a sample to those in the key zone, where they stay as long as it; returns how many there are.

    The journal gets classes of their counts.

    Raises:
        NotReady: another sample was drawn meanwhile, or this one is gone with a withdrawn delivery.
    """
    schema = desk.office.project.data[data_set].delivery
    with desk.alone():
        with desk.journalling_keys(_COMMAND):
            key_zone(desk.office, desk.custody).check()
            standing = _standing_sample(desk, data_set, key)
        if sample_name(standing) != sample_name(sample):
            raise NotReady("another sample was drawn meanwhile", next_step=f"zicht {_COMMAND} {data_set} {key}")
        kept = {**verdicts(desk, data_set, key, sample), **given}
        frames = {desk.accepted_path(r): r for r in desk.standing() if r.findings.schema_name == schema}
        with desk.journalling_keys(_COMMAND):
            zone = key_zone(desk.office, desk.custody, first_date(desk.office, frames))
            write_verdicts(zone, verdicts_file(data_set, key), sample, kept)
        counts = Counter(kept.values())
        said: dict[str, Json] = {verdict.value: size_class(counts[verdict]) for verdict in Verdict}
        subject = f"{data_set} {key}"
        desk.office.journal.append(actor=ACTOR, action="pairs judged", subject=subject, details=said, now=utc_now())
    return len(kept)


def _standing_sample(desk: CustodianDesk, data_set: str, key: str) -> pa.Table:
    """The sample, without what was withdrawn meanwhile. The caller is :meth:`CustodianDesk.alone`."""
    desk.finish_withdrawals()
    path = desk.office.workspace.path(Zone.IDENTIFIED) / "review" / review_file(desk.office.project.name, data_set, key)
    return read_review_sample(path, desk.custody.decryption)
