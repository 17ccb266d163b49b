"""What a person may do to a release request: facts about persons, apart from the request's own states.

Each ``check_…`` raises :class:`NotAllowed` with a sentence; ``user_can_…`` wraps it, so that a page and the rule cannot
differ. ``key`` is the text of the public key that the person signs with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from enclave.errors import NotAllowed
from output_control.review.roster import Role, Roster
from output_control.review.statements import Decision
from output_control.review.states import Action


@dataclass(frozen=True, slots=True)
class Actor:
    """Someone who acts: opaque id, public key, and the moment."""

    person: str
    key: str
    when: str


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What the rules about persons need to know of a request."""

    project: str
    author: str
    author_key: str
    decisions: tuple[Decision, ...] = ()


def check_can_submit(actor: Actor, facts: RequestFacts, roster: Roster) -> None:
    """Only the author, as a researcher of the project whose authorisation holds now."""
    if actor.person != facts.author:
        raise NotAllowed("only its author submits a request")
    _check_role(actor, Role.RESEARCHER, facts, roster)


def check_can_withdraw(actor: Actor, facts: RequestFacts, roster: Roster) -> None:
    """Only the author; taking back needs no authorisation beyond the author's own key."""
    if actor.person != facts.author or actor.key != facts.author_key:
        raise NotAllowed("only its author withdraws a request")


def check_can_object(actor: Actor, facts: RequestFacts, roster: Roster) -> None:
    """A checker of the project, valid now, and never the author."""
    if actor.person == facts.author or actor.key == facts.author_key:
        raise NotAllowed("nobody decides on their own request", next_step="ask two other checkers")
    _check_role(actor, Role.CHECKER, facts, roster)


def check_can_approve(actor: Actor, facts: RequestFacts, roster: Roster) -> None:
    """As an objection; and not who approved already, under this id or under this key."""
    check_can_object(actor, facts, roster)
    for decision in facts.decisions:
        if decision.action is Action.APPROVE and actor.person == decision.person:
            raise NotAllowed(f"{actor.person} approved already", next_step="a second person decides")
        if decision.action is Action.APPROVE and actor.key == decision.key:
            raise NotAllowed("this key approved already under another id", next_step="a second person decides")


def _check_role(actor: Actor, role: Role, facts: RequestFacts, roster: Roster) -> None:
    why = roster.refusal(actor.person, role, project=facts.project, key=actor.key, when=actor.when)
    if why:
        raise NotAllowed(why, next_step="the office renews authorisations in the roster")


Check = Callable[[Actor, RequestFacts, Roster], None]
CHECKS: dict[Action, Check] = {
    Action.SUBMIT: check_can_submit,
    Action.APPROVE: check_can_approve,
    Action.REQUEST_CHANGES: check_can_object,
    Action.REJECT: check_can_object,
    Action.WITHDRAW: check_can_withdraw,
}


def user_can(action: Action, actor: Actor, facts: RequestFacts, roster: Roster) -> bool:
    """Whether ``actor`` may do ``action``; nobody releases or voids by hand."""
    try:
        CHECKS[action](actor, facts, roster)
    except (NotAllowed, KeyError):
        return False
    return True


def user_can_submit(actor: Actor, facts: RequestFacts, roster: Roster) -> bool:
    """Wraps :func:`check_can_submit`."""
    return user_can(Action.SUBMIT, actor, facts, roster)


def user_can_approve(actor: Actor, facts: RequestFacts, roster: Roster) -> bool:
    """Wraps :func:`check_can_approve`."""
    return user_can(Action.APPROVE, actor, facts, roster)


def user_can_object(actor: Actor, facts: RequestFacts, roster: Roster) -> bool:
    """Wraps :func:`check_can_object`."""
    return user_can(Action.REJECT, actor, facts, roster)


def user_can_withdraw(actor: Actor, facts: RequestFacts, roster: Roster) -> bool:
    """Wraps :func:`check_can_withdraw`."""
    return user_can(Action.WITHDRAW, actor, facts, roster)
