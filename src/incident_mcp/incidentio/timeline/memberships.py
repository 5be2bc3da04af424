"""Who may see a private incident. The API grants and revokes memberships; it lists none."""

from dataclasses import replace
from functools import partial

from pydantic import AliasPath, BaseModel, Field

from incident_mcp.errors import IncidentMcpError, join_sentences
from incident_mcp.incidentio.access import access_advice, journal_keys, read_one
from incident_mcp.incidentio.ids import IncidentRef
from incident_mcp.incidentio.names.incidents import IncidentName, describe_incident, incident_name
from incident_mcp.incidentio.names.people import Person, user_id
from incident_mcp.incidentio.toolsets import TIMELINE
from incident_mcp.incidentio.users import User, name_of_user, read_users
from incident_mcp.records.record import Instant, Record, quoted, shorten
from incident_mcp.tooling.dependencies import AppSettings, DryRun, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.codes import ConfirmCode
from incident_mcp.writing.plan import WritePlan
from incident_mcp.writing.result import Preview, WriteResult

GRANT = Operation("POST", "/v1/incident_memberships", scope="incident_memberships.grant")
REVOKE = Operation("POST", "/v1/incident_memberships/actions/revoke", scope="incident_memberships.revoke")
_ADVICE = {422: "Only a private incident has members: incidentio_get_incident shows its visibility."}
_WILL_SEE = (
    "The whole private incident from its start: name, summary, updates, timeline, attachments, participants. What they"
    " have read stays known after a revocation."
)
_PUBLIC = "Nothing more than now: the incident is public, and only private incidents have members."
_STAYS = "Access through a team, or a permission for all private incidents, is not revoked by this."
_UNKNOWN = "unknown"


class AccessPreview(Preview):
    """Whom a membership would let see what."""

    user: str
    """Name and email address."""
    incident: str
    visibility: str
    """private, public, or `unknown`."""
    will_see: str
    warning: str | None = None


class Membership(Record):
    """A membership of a private incident."""

    id: str
    user: str | None = Field(default=None, validation_alias=AliasPath("user", "name"))
    reference: str | None = Field(default=None, validation_alias="the incident's reference")
    created_at: Instant | None = None
    incident_id: str | None = Field(default=None, exclude=True)


class MembershipResponse(BaseModel):
    """The response envelope of a membership."""

    incident_membership: Membership


class RevokedAccess(Record):
    """A revocation."""

    user: str
    reference: str
    revoked: bool = True


class _Anything(Record):
    """A response whose content does not matter."""


class _Seen(IncidentName):
    visibility: str | None = None


class _SeenResponse(BaseModel):
    incident: _Seen


async def incidentio_grant_access(
    api: IncidentioApi,
    settings: AppSettings,
    writer: WriterDep,
    incident: IncidentRef,
    user: Person,
    confirm: ConfirmCode = None,
) -> WriteResult[Membership]:
    """Let a user see a private incident. Two calls: the first shows who would see what and returns a code."""
    number = await user_id(api, "user", user, settings.me)
    named = await incident_name(api, incident)
    body = {"incident_id": named.id, "user_id": number}

    def to_record(response: MembershipResponse) -> Membership:
        membership = response.incident_membership
        same = membership.incident_id in (None, named.id)
        return membership.model_copy(update={"reference": named.reference if same else None})

    plan = WritePlan(
        tool="incidentio_grant_access",
        request=GRANT.request(body=body, advice=access_advice(GRANT.scope) | _ADVICE),
        response_type=MembershipResponse,
        record_type=Membership,
        to_record=to_record,
        # A second membership of the same user gives no more access.
        repeat=Repeat.HARMLESS,
        destructive=True,
        targets=journal_keys(api, named.id, named.reference),
    )
    return await writer.perform_previewed(
        api, plan, confirm=confirm, preview=partial(_preview, api, named, number), question=_question
    )


def _question(found: AccessPreview) -> str:
    warning = f" Warning: {found.warning}" if found.warning else ""
    which = "incident" if found.visibility == _UNKNOWN else f"{shorten(found.visibility, 20)} incident"
    return f"Let {quoted(found.user)} see the {which} {quoted(found.incident)}.{warning}"


async def _preview(api: Api, named: IncidentName, number: str) -> AccessPreview:
    """Return who would see what; the incident is read again, because its visibility may have changed."""
    warnings: list[str] = []
    person = await _find_user(api, number)
    if person is None:
        warnings.append(f"Who has the user ID {shorten(number, 60)} is not known: compare it before you grant access.")
    seen: IncidentName = named
    visibility = _UNKNOWN
    try:
        found = (await read_one(api, named.id, _SeenResponse)).incident
        seen, visibility = found, found.visibility or _UNKNOWN
    except IncidentMcpError as failure:
        warnings.append(f"The incident could not be read: {failure}")
    user = _describe(person, number)
    incident = " ".join(filter(None, (seen.reference or seen.id, seen.name)))
    certain = person is not None and visibility != _UNKNOWN
    return AccessPreview(
        shown=f"{user}\n{incident}\n{visibility}" if certain else None,
        user=user,
        incident=incident,
        visibility=visibility,
        will_see=_PUBLIC if visibility == "public" else _WILL_SEE,
        warning=" ".join(warnings) or None,
    )


async def _find_user(api: Api, number: str) -> User | None:
    """Return an active user by id; None if the key may not read users, or there is none."""
    try:
        users = await read_users(api)
    except IncidentMcpError:
        return None
    return next((user for user in users or () if user.id == number), None)


def _describe(user: User | None, number: str) -> str:
    if user is None:
        return number
    name = name_of_user(user)
    return f"{name} ({user.email})" if user.email and user.email != name else name


async def incidentio_revoke_access(
    api: IncidentioApi,
    settings: AppSettings,
    writer: WriterDep,
    incident: IncidentRef,
    user: Person,
    dry_run: DryRun = False,
) -> WriteResult[RevokedAccess]:
    """Revoke a user's membership of a private incident."""
    number = await user_id(api, "user", user, settings.me)
    named = await incident_name(api, incident)
    described = await describe_incident(api, writer, incident, dry_run=dry_run, destructive=True)
    person = _describe(await _find_user(api, number), number)
    plan = WritePlan(
        tool="incidentio_revoke_access",
        request=REVOKE.request(
            body={"incident_id": named.id, "user_id": number}, advice=access_advice(REVOKE.scope) | _ADVICE
        ),
        response_type=_Anything,
        record_type=RevokedAccess,
        to_record=lambda _: RevokedAccess(user=person, reference=named.reference or named.id),
        repeat=Repeat.HARMLESS,
        question=f"Revoke the access of {quoted(person)} to incident {described}.",
        destructive=True,
        targets=journal_keys(api, named.id, named.reference),
    )
    result = await writer.perform(api, plan, dry_run=dry_run)
    return result if dry_run else replace(result, note=join_sentences(result.note, _STAYS))


TOOLS = [
    write_tool(
        incidentio_grant_access,
        "Grant access to a private incident",
        destructive=True,
        idempotent=True,
        toolset=TIMELINE,
        preview=AccessPreview,
        keywords="invite share open add person member private confidential security",
    ),
    write_tool(
        incidentio_revoke_access,
        "Revoke access to a private incident",
        destructive=True,
        idempotent=True,
        toolset=TIMELINE,
        keywords="remove person member uninvite take away longer see hide security",
    ),
]
