"""Whether the approvals of a case hold: two different persons, checkers when they signed, neither the author.

The review refuses a wrong decision when it is made; the release service asks again here, from the signed statements and
the roster of today, and trusts no state that somebody wrote.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from enclave.errors import BadInput, NotAllowed
from enclave.fingerprints import Json, canonical_json
from enclave.journal import Entry
from enclave.signatures import PayloadType, PublicKey, SigningKey
from output_control.review.cases import Case, Journalled
from output_control.review.roster import Role, Roster, moment
from output_control.review.statements import ReleaseKey, Signed, Submission, read_signed, sign

NEEDED = 2
RELEASE_KEY_FILE = "release-key.json"


def check_approved(case: Case, roster: Roster) -> tuple[Signed[Submission], tuple[Journalled, ...]]:
    """The submission and the approvals, when both sets of facts hold.

    Raises:
        NotAllowed: with every reason at once.
    """
    submission, submitted = case.submission, case.submitted
    if submission is None or submitted is None:
        raise NotAllowed("the request was never submitted", where=case.request.id)
    project = case.request.document.project
    author = submission.statement
    faults = [roster.refusal(author.person, Role.RESEARCHER, project=project, key=author.key, when=submitted.time)]
    for approval in case.approvals:
        statement, when = approval.signed.statement, approval.entry.time
        faults.append(roster.refusal(statement.person, Role.CHECKER, project=project, key=statement.key, when=when))
        if statement.time > when:
            faults.append(f"{statement.person} signed later than the journal says")
        if statement.person == author.person or statement.key == author.key:
            faults.append(f"{statement.person} is the author and approved their own request")
    if _different(case.approvals) < NEEDED:
        faults.append(f"{NEEDED} approvals by different persons are needed; there are {_different(case.approvals)}")
    if any(faults):
        raise NotAllowed(
            "; ".join(fault for fault in faults if fault),
            where=case.request.id,
            next_step="file the request again and ask checkers whose authorisation holds",
        )
    return submission, case.approvals


def _different(approvals: tuple[Journalled, ...]) -> int:
    """How many different persons, counted by id and by key, whichever are fewer."""
    statements = [approval.signed.statement for approval in approvals]
    return min(len({s.person for s in statements}), len({s.key for s in statements}))


def approvals_document(case: Case, roster: Roster, *, released: str) -> bytes:
    """``approvals.json``: the author's submission and the approvals, each with its place in the journal."""
    submission, approvals = check_approved(case, roster)
    submitted = case.submitted
    listed: list[Json] = [{**a.signed.as_json(), "journal": _anchor(a.entry)} for a in approvals]
    body: Json = {
        "approvals": listed,
        "released": released,
        "submission": {**submission.as_json(), "journal": _anchor(submitted)},
    }
    return canonical_json(body) + b"\n"


def _anchor(entry: Entry | None) -> Json:
    return None if entry is None else {"sequence": entry.sequence, "digest": entry.digest, "time": entry.time}


def certify_release_key(public: PublicKey, root: SigningKey, *, valid_from: datetime, days: int = 365) -> bytes:
    """``release-key.json``: the office's word, signed by its root key, that ``public`` signs releases.

    It goes into the gate's zone and from there into every bundle, so that who verifies needs the root key alone.

    Raises:
        BadInput: ``days`` is not positive.
    """
    if days < 1:
        raise BadInput("a release key is valid for at least one day", where=RELEASE_KEY_FILE)
    until = moment(valid_from + timedelta(days=days))
    statement = ReleaseKey(public_key=public.text, valid_from=moment(valid_from), valid_until=until)
    return sign(statement, PayloadType.RELEASE_KEY, root).document()


def check_release_key(document: bytes, *, root_public: PublicKey, public: PublicKey, when: str) -> None:
    """Raise unless ``document`` says that ``public`` signs releases at ``when``.

    Raises:
        Tampered: no such document, or not signed by the root key.
        NotAllowed: another key, or not valid at that time.
    """
    signed = read_signed(document, ReleaseKey, RELEASE_KEY_FILE)
    signed.check(PayloadType.RELEASE_KEY, root_public)
    statement = signed.statement
    if statement.public_key != public.text:
        raise NotAllowed("this is not the release key that the office certified", where=RELEASE_KEY_FILE)
    if not statement.valid_from <= when < statement.valid_until:
        raise NotAllowed("the release key is not valid at this time", where=RELEASE_KEY_FILE)
