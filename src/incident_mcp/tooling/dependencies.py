"""What a tool may ask for beside its arguments: a service to talk to, and the way to write to it."""

from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

from mcp.server.mcpserver import Context, Resolve
from pydantic import Field

from incident_mcp.errors import SettingError
from incident_mcp.settings import KEY_VARIABLES, Settings
from incident_mcp.transport.api import Api
from incident_mcp.transport.service import Service
from incident_mcp.writing.confirm import Questions, ask
from incident_mcp.writing.perform import Writer
from incident_mcp.writing.safety import WriteSafety


@dataclass
class App:
    """What lives as long as the server: made by its lifespan."""

    settings: Settings
    safety: WriteSafety
    incidentio: Service | None = None
    ionhour: Service | None = None
    questions: Questions = field(default_factory=Questions)


Ctx = Context[App]
"""A call's context, for what is no tool and so has no resolvers."""


def app_of(ctx: Ctx) -> App:
    """Give what lives as long as the server."""
    return ctx.request_context.lifespan_context


def _api(ctx: Ctx, service: Service | None, name: str, *slugs: str) -> Api:
    if service is None:
        settings = app_of(ctx).settings
        why = " and ".join(settings.why_no_key(slug) for slug in slugs)
        variables = " or ".join(KEY_VARIABLES[slug] for slug in slugs)
        raise SettingError(
            f"No {name} key ({why}): set {variables} where this server is started, and restart it. To try the tools on"
            " made-up incidents without a key, start it as `incident-mcp --sandbox`."
        )
    return Api(service)


# Resolvers are async: the SDK runs plain ones in a thread, which costs more than they do.
async def incidentio(ctx: Ctx) -> Api:
    """Give incident.io for this call."""
    return _api(ctx, app_of(ctx).incidentio, "incident.io", "incidentio")


async def ionhour(ctx: Ctx) -> Api:
    """Give Ionhour for this call."""
    return _api(ctx, app_of(ctx).ionhour, "Ionhour", "ionhour")


@dataclass
class Services:
    """Both services, as far as there is a key for them, within one call's time."""

    incidentio: Api | None
    ionhour: Api | None


async def services(ctx: Ctx) -> Services:
    """Give both services for this call."""
    app = app_of(ctx)
    if app.incidentio is None and app.ionhour is None:
        return Services(_api(ctx, None, "incident.io or Ionhour", *KEY_VARIABLES), None)
    return Services(
        Api(app.incidentio) if app.incidentio else None,
        Api(app.ionhour) if app.ionhour else None,
    )


async def app_settings(ctx: Ctx) -> Settings:
    """Give the settings."""
    return app_of(ctx).settings


async def writer(ctx: Ctx) -> Writer:
    """Give the way to write."""
    app = app_of(ctx)
    client = ctx.request_context.session.client_params
    caller = f"{client.client_info.name} {client.client_info.version}" if client else None
    return Writer(app.safety, caller, confirm_policy=app.settings.confirm, ask=partial(ask, ctx, app.questions))


# Plain assignments: behind a `type` alias the SDK would offer these to the model as arguments.
IncidentioApi = Annotated[Api, Resolve(incidentio)]
IonhourApi = Annotated[Api, Resolve(ionhour)]
BothServices = Annotated[Services, Resolve(services)]
AppSettings = Annotated[Settings, Resolve(app_settings)]
WriterDep = Annotated[Writer, Resolve(writer)]

DryRun = Annotated[bool, Field(description="Only show the request.")]
IdempotencyKey = Annotated[
    str | None,
    Field(
        description="Sent unchanged. Left out: an identical call is recognised as a repeat.",
    ),
]
