"""Paging people: an escalation to a path or to people."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

from pydantic import Field

from incident_mcp.errors import IncidentMcpError, InputError, RefusedError
from incident_mcp.incidentio.names.finding import find
from incident_mcp.incidentio.names.incidents import incident_name
from incident_mcp.incidentio.names.people import People, user_id
from incident_mcp.incidentio.oncall.escalations import (
    SHOW,
    Escalation,
    EscalationResponse,
    find_escalations,
    read_escalation,
)
from incident_mcp.incidentio.oncall.paged import Paged, Resolved, next_reachable, path_paged, people_paged
from incident_mcp.incidentio.oncall.paths import PATHS, EscalationPath
from incident_mcp.incidentio.oncall.reachability import why_unread
from incident_mcp.incidentio.toolsets import ONCALL
from incident_mcp.incidentio.users import User
from incident_mcp.records.record import Instant, Json, Record, quoted, without_none
from incident_mcp.tooling.dependencies import AppSettings, IdempotencyKey, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.codes import ConfirmCode
from incident_mcp.writing.plan import WritePlan
from incident_mcp.writing.result import WriteResult

CREATE = Operation("POST", "/v2/escalations", scope="escalations.create")
PAGE_SECONDS = 600
"""For how long an identical page returns the earlier one."""
MOST_USERS = 20
"""People that one page may name: a longer list is a mistake, or a path."""
_FORBIDDEN = 403
ADVICE = {
    403: "The key may not page: it needs the scope escalations.create (role escalation_creator). A key for single teams"
    " can page only by their escalation paths, not people directly.",
}

Anyway = Annotated[bool, Field(description="Page even if nobody can be reached.")]
Path = Annotated[str | None, Field(description="Escalation path, name or ID; or users.")]


class Page(Record):
    """A page that was sent."""

    id: str
    title: str | None = None
    status: str | None = None
    outcome: str | None = None
    """What was read back: `triggered at ..., notified Yuki Tanaka`, or `not seen yet`."""
    escalation_path_id: str | None = None
    incidents: list[str] | None = None
    created_at: Instant | None = None

    @classmethod
    def of(cls, escalation: Escalation) -> "Page":
        """Return the page of an escalation."""
        return cls(
            id=escalation.id,
            title=escalation.title,
            status=escalation.status,
            escalation_path_id=escalation.escalation_path_id,
            incidents=escalation.incidents,
            created_at=escalation.created_at,
        )


@dataclass(frozen=True)
class Recipients:
    """Whom a page is for: an escalation path or people."""

    path: EscalationPath | None
    users: Sequence[User]

    @property
    def body(self) -> Json:
        """The fields of a request."""
        return without_none(
            escalation_path_id=self.path and self.path.id, user_ids=[user.id for user in self.users] or None
        )

    async def resolve(self, api: Api) -> Resolved:
        """Return who would be paged now."""
        return await (people_paged(api, self.users) if self.path is None else path_paged(api, self.path))

    async def preview(self, api: Api, *, anyway: bool) -> Paged:
        """Return who would be paged now.

        Raises:
            InputError: Somebody who is paged directly, or everybody on the path, certainly cannot be reached.
        """
        resolved = await self.resolve(api)
        missed = self.path is None and any(person.problem for person in resolved.people)
        if (resolved.reaches_nobody or missed) and not anyway:
            raise InputError(await _describe_refusal(api, resolved))
        return resolved.paged


async def read_recipients(
    api: Api, escalation_path: str | None, users: Sequence[str] | None, me: str | None
) -> Recipients:
    """Return whom a page is for.

    Raises:
        InputError: Not exactly one of both is given, or a name is unknown or ambiguous.
    """
    if (escalation_path is None) == (not users) or len(users or ()) > MOST_USERS:
        raise InputError(f"Pass exactly one of escalation_path and users (at most {MOST_USERS}). Not sent.")
    if escalation_path is not None:
        return Recipients(await find(api, PATHS, escalation_path), ())
    ids = dict.fromkeys([await user_id(api, "users", user, me) for user in users or ()])
    return Recipients(None, [User(id=number) for number in ids])


async def _describe_refusal(api: Api, resolved: Resolved) -> str:
    problems = [f"{person.user} {person.problem}" for person in resolved.people if person.problem]
    other = await next_reachable(api, resolved)
    instead = f"Page {other}" if other else "Nobody else was found who can be reached"
    whom = "nobody" if resolved.reaches_nobody else "not everybody"
    why = ", ".join(problems) or "nobody is on call now"
    return f"This page would reach {whom}: {why}. {instead}; or pass anyway=true. Not sent."


async def find_page(api: Api, key: str) -> EscalationResponse | None:
    """Find a page by its idempotency key; None if the key may not read pages: then only the service can tell."""
    try:
        rows = await find_escalations(api, [("idempotency_key[is]", key)], 1)
    except RefusedError as failure:
        if failure.status != _FORBIDDEN:
            raise
        return None
    return EscalationResponse(escalation=rows[0]) if rows else None


async def incidentio_page_people(
    api: IncidentioApi,
    settings: AppSettings,
    writer: WriterDep,
    title: Annotated[str, Field(min_length=1, description="What the page says.")],
    escalation_path: Path = None,
    users: People | None = None,
    incident: Annotated[str | None, Field(description="INC-123, ID or link.")] = None,
    description: Annotated[str | None, Field(description="Details.")] = None,
    anyway: Anyway = False,
    idempotency_key: IdempotencyKey = None,
    confirm: ConfirmCode = None,
) -> WriteResult[Page]:
    """Page people: rings the phones of an escalation path's responders, or of users.

    Two calls: the first shows who would be paged and returns a code for `confirm`.
    """
    recipients = await read_recipients(api, escalation_path, users, settings.me)
    attached = None if incident is None else await incident_name(api, incident)
    body = without_none(title=title, description=description, incident_id=attached and attached.id) | recipients.body
    about = attached and " ".join(filter(None, (attached.reference or attached.id, attached.name)))
    plan = WritePlan(
        tool="incidentio_page_people",
        request=CREATE.request(body=body, advice=ADVICE),
        response_type=EscalationResponse,
        record_type=Page,
        to_record=lambda response: Page.of(response.escalation),
        repeat=Repeat.KEYED,
        destructive=True,
        confirmed_with=f"anyway={anyway}",
        remember_seconds=PAGE_SECONDS,
        find_by_key=partial(find_page, api),
        caller_key=idempotency_key,
        created_at=lambda response: response.escalation.made_at,
        matches_request=lambda response: _matches(response.escalation, body),
    )

    async def preview() -> Paged:
        paged = await recipients.preview(api, anyway=anyway)
        return paged.model_copy(update={"incident": about})

    question = partial(_question, title, description)
    result = await writer.perform_previewed(api, plan, confirm=confirm, preview=preview, question=question)
    return await with_outcome(api, result)


def _question(title: str, description: str | None, paged: Paged) -> str:
    more = f", with the details {quoted(description)}" if description else ""
    more += f", about {quoted(paged.incident)}" if paged.incident else ""
    warning = f" Warning: {quoted(paged.warning)}." if paged.warning else ""
    return f"Page {paged.whom}, saying {quoted(title)}{more}.{warning}"


def _matches(escalation: Escalation, body: Json) -> bool:
    """Return whether an escalation is the requested one, where the response contains its fields."""
    same_path = escalation.escalation_path_id in (None, body.get("escalation_path_id"))
    same_text = escalation.title in (None, body["title"])
    if "description" in body:
        same_text &= escalation.description in (None, body["description"])
    # Whom a page to people rings, and what it is about, shows only in part: nothing may contradict the request.
    same_people = "user_ids" not in body or escalation.rung <= set(body["user_ids"])
    same_incident = "incident_id" not in body or body["incident_id"] in (
        escalation.incident_ids or [body["incident_id"]]
    )
    return same_path and same_text and same_people and same_incident


async def with_outcome(api: Api, result: WriteResult[Page]) -> WriteResult[Page]:
    """Return the result of a page with what was read back: its status and whom it notified."""
    page = result.record
    if page is None:
        return result
    try:
        escalation = await read_escalation(api, page.id)
    except IncidentMcpError as failure:
        outcome = f"not seen yet ({why_unread(failure, SHOW.scope)})"
        return replace(result, record=page.model_copy(update={"outcome": outcome}))
    notified = ", ".join(escalation.notified)
    outcome = f"{escalation.status or 'status unknown'} at {escalation.updated_at or 'an unknown time'}"
    outcome += f", notified {notified}" if notified else ", nobody notified yet"
    return replace(result, record=Page.of(escalation).model_copy(update={"outcome": outcome}))


TOOLS = [
    write_tool(
        incidentio_page_people,
        "Page people",
        destructive=True,
        toolset=ONCALL,
        preview=Paged,
        keywords="wake up ring call phone bed get someone escalate alert team engineer backup",
    )
]
