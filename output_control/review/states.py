"""The life of a release request: its states, what can be done in each, and nothing about who does it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from enclave.errors import NotAllowed


class State(Enum):
    """Where a release request stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED_ONCE = "approved by one"
    APPROVED = "approved"
    CHANGES_REQUESTED = "changes requested"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    RELEASED = "released"
    VOID = "void"

    def description(self) -> str:
        """What this state means and what comes next, in one sentence."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    State.DRAFT: "written and not yet signed; the author submits it",
    State.SUBMITTED: "signed by its author; two checkers decide",
    State.APPROVED_ONCE: "one checker agrees; a second one decides",
    State.APPROVED: "two checkers agree; the release service re-tabulates and signs",
    State.CHANGES_REQUESTED: "to be changed; the author files a new request and says in its context what changed",
    State.REJECTED: "a checker objects; nothing leaves",
    State.WITHDRAWN: "the author took it back; nothing leaves",
    State.RELEASED: "its bundle stands in the released zone",
    State.VOID: "tabulated again it differed; the author files a new request that says in its context what changed",
}


class Action(Enum):
    """What is done to a release request."""

    SUBMIT = "submit"
    APPROVE = "approve"
    REQUEST_CHANGES = "request_changes"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    RELEASE = "release"
    VOID = "void"

    def description(self) -> str:
        """The action as the end of a sentence."""
        return _ACTIONS[self]


_ACTIONS = {
    Action.SUBMIT: "submitted",
    Action.APPROVE: "approved",
    Action.REQUEST_CHANGES: "sent back for changes",
    Action.REJECT: "rejected",
    Action.WITHDRAW: "withdrawn",
    Action.RELEASE: "released",
    Action.VOID: "voided",
}

_OBJECTIONS = {Action.REQUEST_CHANGES: State.CHANGES_REQUESTED, Action.REJECT: State.REJECTED}
_OPEN = {**_OBJECTIONS, Action.WITHDRAW: State.WITHDRAWN}

TRANSITIONS: Mapping[State, Mapping[Action, State]] = MappingProxyType(
    {
        State.DRAFT: {Action.SUBMIT: State.SUBMITTED},
        State.SUBMITTED: {Action.APPROVE: State.APPROVED_ONCE, **_OPEN},
        State.APPROVED_ONCE: {Action.APPROVE: State.APPROVED, **_OPEN},
        State.APPROVED: {Action.RELEASE: State.RELEASED, Action.VOID: State.VOID, **_OPEN},
        State.CHANGES_REQUESTED: {Action.REJECT: State.REJECTED, Action.WITHDRAW: State.WITHDRAWN},
        State.REJECTED: {},
        State.WITHDRAWN: {},
        State.RELEASED: {},
        State.VOID: {},
    }
)


def check_can(action: Action, state: State) -> State:
    """The state after ``action``; :class:`NotAllowed` when a request in ``state`` cannot undergo it."""
    try:
        return TRANSITIONS[state][action]
    except KeyError:
        raise NotAllowed(
            f"a request that is {state.value} cannot be {action.description()}",
            next_step=f"{state.value}: {state.description()}",
        ) from None


def can(action: Action, state: State) -> bool:
    """Whether :func:`check_can` lets it through."""
    try:
        check_can(action, state)
    except NotAllowed:
        return False
    return True
