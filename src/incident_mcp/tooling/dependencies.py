"""Dependencies that a tool can request in addition to its arguments: the services, the settings and the writer."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from incident_mcp.errors import SettingError
from incident_mcp.settings import KEY_VARIABLES, Settings
from incident_mcp.tooling.caller import Call, Caller
from incident_mcp.tooling.tools import Depends
from incident_mcp.transport.api import Api
from incident_mcp.transport.service import Service
from incident_mcp.writing.perform import Writer


def _api(call: Call, service: Service | None, name: str, *slugs: str) -> Api:
    if service is None:
        settings = call.caller.settings
        why = " and ".join(settings.why_no_key(slug) for slug in slugs)
        variables = " or ".join(KEY_VARIABLES[slug] for slug in slugs)
        raise SettingError(
            f"No {name} key ({why}): set {variables} where this server is started, and restart it. To try the tools on"
            " made-up incidents without a key, start it as `incident-mcp --sandbox`."
        )
    return Api(service, call.caller.seen)


async def incidentio(call: Call) -> Api:
    """Return incident.io as this call sees it."""
    return _api(call, call.caller.incidentio, "incident.io", "incidentio")


async def ionhour(call: Call) -> Api:
    """Return Ionhour as this call sees it."""
    return _api(call, call.caller.ionhour, "Ionhour", "ionhour")


@dataclass
class Services:
    """Both services, if there is a key for them, within one call's time."""

    incidentio: Api | None
    ionhour: Api | None


async def services(call: Call) -> Services:
    """Return both services as this call sees them."""
    caller = call.caller
    if caller.incidentio is None and caller.ionhour is None:
        return Services(_api(call, None, "incident.io or Ionhour", *KEY_VARIABLES), None)
    return Services(
        Api(caller.incidentio, caller.seen) if caller.incidentio else None,
        Api(caller.ionhour, caller.seen) if caller.ionhour else None,
    )


async def caller_settings(call: Call) -> Settings:
    """Return the caller's settings."""
    return call.caller.settings


async def writer(call: Call) -> Writer:
    """Return the writer of this call."""
    caller = call.caller
    return Writer(
        caller.safety,
        call.client,
        confirm_policy=caller.settings.confirm,
        ask=call.confirmation.ask,
        person=caller.settings.person,
        person_shown=caller.settings.person_shown,
    )


async def current_call(call: Call) -> Call:
    """Return this call."""
    return call


async def current_caller(call: Call) -> Caller:
    """Return who calls."""
    return call.caller


IncidentioApi = Annotated[Api, Depends(incidentio)]
IonhourApi = Annotated[Api, Depends(ionhour)]
BothServices = Annotated[Services, Depends(services)]
AppSettings = Annotated[Settings, Depends(caller_settings)]
WriterDep = Annotated[Writer, Depends(writer)]
CurrentCall = Annotated[Call, Depends(current_call)]
CurrentCaller = Annotated[Caller, Depends(current_caller)]

DryRun = Annotated[bool, Field(description="Only show the request.")]
IdempotencyKey = Annotated[
    str | None,
    Field(
        description="Sent unchanged. Without it, an identical call is a repeat.",
    ),
]
