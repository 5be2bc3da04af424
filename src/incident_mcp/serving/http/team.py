"""The callers of a team's server: each person by sign-in, with a role, and with keys of their own if there are any."""

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

import anyio
from mcp.server import Server
from pydantic import SecretStr

from incident_mcp.catalogue import reachable, select
from incident_mcp.serving.callers import (
    CLOSING_SECONDS,
    INCIDENTIO_RATE,
    make_safety,
    make_services,
    open_audit_log,
    redact_all_keys,
    state_folder,
)
from incident_mcp.serving.http.files import PersonalKeys
from incident_mcp.serving.http.sdk import AccessToken, get_access_token
from incident_mcp.serving.http.shared import SharedState
from incident_mcp.serving.http.sign_in.static_tokens import ISSUER as STATIC_ISSUER
from incident_mcp.serving.http.sign_in.static_tokens import SUBJECT_PREFIX as STATIC_PREFIX
from incident_mcp.serving.subscriptions import Event, Events, forget_incidents
from incident_mcp.serving.telemetry import Telemetry
from incident_mcp.settings import Settings
from incident_mcp.tooling.caller import Caller, Callers, Request
from incident_mcp.tooling.feed import Feed
from incident_mcp.transport.rate_limit import LocalRateLimit, RateLimit
from incident_mcp.transport.service import DOCUMENTED, Limits, Network, Service
from incident_mcp.writing.codes import ConfirmationCodes
from incident_mcp.writing.journal.entry import fingerprint
from incident_mcp.writing.journal.protocol import Journal

MAX_CALLERS = 2_000
"""Callers that are kept in memory: those that have not called for the longest time are forgotten first."""
_EMAIL = re.compile(r"[^@\s<>()]+@[^@\s<>()]+")
Services = tuple[Service | None, Service | None]


@dataclass(frozen=True)
class Shared:
    """What all callers share."""

    journal: Journal
    """Where there is no Redis."""
    secrets: Callable[[], Sequence[bytes]]
    redis: SharedState | None = None
    feed: Feed | None = None
    telemetry: Telemetry | None = None
    network: Network | None = None
    limits: Limits = DOCUMENTED
    rotates_keys: bool = False
    """Whether keys may change while the server runs: an account is then not known by its key."""


class Team:
    """Implements `Callers`: finds the caller of each request by its access token.

    Args:
        settings: Those of everybody; a person's own are derived from them.
        shared: What all share.
        personal: Returns the keys of each person's own, by subject.
        signs_in: Whether callers have to sign in; otherwise there is one caller.
    """

    def __init__(
        self,
        settings: Settings,
        shared: Shared,
        personal: Callable[[], dict[str, PersonalKeys]] = dict,
        *,
        signs_in: bool,
    ) -> None:
        self.settings = settings
        self._shared = shared
        self._personal = personal
        self._signs_in = signs_in
        self._callers: OrderedDict[tuple[str, str, str | None, PersonalKeys], Caller] = OrderedDict()
        self._services: dict[tuple[str, str | None, str], Service | None] = {}
        self._rate_limits: dict[str, RateLimit] = {}
        self._audit = open_audit_log(settings)
        self.services = self._services_of(settings, PersonalKeys())
        """Those that everybody without keys of their own uses."""

    @property
    def has_keys(self) -> bool:
        """Whether there is a key, of everybody's or of one person's own."""
        return any(self.services) or any(own.incidentio or own.ionhour for own in self._personal().values())

    def caller_of(self, request: Request) -> Caller:  # noqa: ARG002  # the token is in the request's context
        """Return who makes a request.

        Raises:
            RuntimeError: Nobody signed in, though it is required.
        """
        token = get_access_token()
        if token is None and self._signs_in:
            raise RuntimeError("a request without sign-in reached the server")
        own = self._own_keys(token)
        place = (_person(token), _shown(token), role_of(token), own)
        caller = self._callers.get(place)
        if caller is None:
            caller = self._callers[place] = self._make(token, own)
        self._callers.move_to_end(place)
        while len(self._callers) > MAX_CALLERS:
            self._callers.popitem(last=False)
        return caller

    def _own_keys(self, token: AccessToken | None) -> PersonalKeys:
        """Return a person's own keys; those of a static token are listed under `token:NAME`."""
        if token is None:
            return PersonalKeys()
        subject = token.client_id if _is_static(token) else token.subject or ""
        if subject.startswith(STATIC_PREFIX) and not _is_static(token):
            return PersonalKeys()  # a subject of the identity provider that is written like the name of a static token
        return self._personal().get(subject, PersonalKeys())

    def _make(self, token: AccessToken | None, own: PersonalKeys) -> Caller:
        shared, redis = self._shared, self._shared.redis
        settings = self._settings_of(token, own)
        person = settings.person
        incidentio, ionhour = self._services_of(settings, own)
        codes = ConfirmationCodes(shared.secrets, person)
        caller = Caller(
            settings,
            {tool.name: tool for tool in select(settings)},
            {tool.name: tool for tool in reachable(settings)},
            make_safety(settings, redis.journal_of(person) if redis else shared.journal, codes, self._audit),
            incidentio,
            ionhour,
            state_folder=None if settings.sandbox else lambda: state_folder(self.settings),
            feed=shared.feed,
        )
        if redis is not None:
            caller.questions, caller.seen = redis.questions(person), redis.seen(person)
        if shared.telemetry is not None:
            shared.telemetry.observe(caller)
        return caller

    def _settings_of(self, token: AccessToken | None, own: PersonalKeys) -> Settings:
        """Return the settings with what is known of a person."""
        everybody = self.settings
        if token is None:
            return everybody
        email = _EMAIL.fullmatch(str((token.claims or {}).get("name")))
        return replace(
            everybody,
            person=_person(token),
            person_shown=_shown(token),
            role=role_of(token),
            me=own.me or (email[0] if email else None),
            incidentio_key=SecretStr(own.incidentio) if own.incidentio else everybody.incidentio_key,
            ionhour_key=SecretStr(own.ionhour) if own.ionhour else everybody.ionhour_key,
        )

    def _services_of(self, settings: Settings, own: PersonalKeys) -> Services:
        """Return the services for a person's keys; all without keys of their own share connections and caches."""
        # Two persons with one key have an account each: which of them called first is different on each replica.
        keys = (("incidentio", own.incidentio), ("ionhour", own.ionhour))
        places = tuple((slug, key, settings.person if key else "") for slug, key in keys)
        if any(place not in self._services for place in places):
            made = make_services(settings, self._shared.network, self._shared.limits)
            for place, service in zip(places, made, strict=True):
                if place not in self._services:
                    self._services[place] = service
                    self._prepare(service, place[2])
        incidentio, ionhour = (self._services[place] for place in places)
        return incidentio, ionhour

    def _prepare(self, service: Service | None, person: str) -> None:
        if service is None:
            return
        if self._shared.rotates_keys or person:
            parts = ["team", service.name, service.base_url, person]
            service.known_account = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        self._share_rate_limit(service)

    def _share_rate_limit(self, service: Service) -> None:
        """Give a service the rate limit of its key, whoever else uses that key."""
        if service.rate_limit is None:
            return
        name = fingerprint(service.name, service.base_url, service.key.get_secret_value())
        redis = self._shared.redis
        limit = redis.rate_limit(name, *INCIDENTIO_RATE) if redis else LocalRateLimit(*INCIDENTIO_RATE)
        service.rate_limit = self._rate_limits.setdefault(name, limit)

    def change_key(self, slug: str, key: str) -> None:
        """Use another key for a service from the next request on."""
        secret = SecretStr(key)
        incidentio, ionhour = self.services
        if slug == "incidentio":
            self.settings = replace(self.settings, incidentio_key=secret)
        else:
            self.settings = replace(self.settings, ionhour_key=secret)
        service = incidentio if slug == "incidentio" else ionhour
        if service is not None:
            service.key = secret
            self._share_rate_limit(service)
        redact_all_keys(incidentio, ionhour)

    def forget(self, event: Event) -> None:
        """Drop what is cached of incidents that an event reports as changed."""
        for (slug, _, _), service in self._services.items():
            if slug == "incidentio" and service is not None:
                forget_incidents(service, event)

    def lifespan(self, events: Events) -> Callable[[Server[Callers]], AbstractAsyncContextManager[Callers]]:
        """Return the lifespan of a server for these callers."""

        @asynccontextmanager
        async def lifespan(_: Server[Callers]) -> AsyncGenerator[Callers]:
            unsubscribe = events.subscribe(self.forget)
            try:
                yield self
            finally:
                unsubscribe()
                with anyio.move_on_after(CLOSING_SECONDS, shield=True):
                    await self._close()

        return lifespan

    async def _close(self) -> None:
        self._shared.journal.close()
        for service in [each for each in self._services.values() if each]:
            await service.close()


def role_of(token: AccessToken | None) -> str | None:
    """Return the role that a token carries; None without sign-in."""
    if token is None:
        return None
    return cast("str", (token.claims or {})["role"])


def _person(token: AccessToken | None) -> str:
    """Return who a token belongs to: what no other person can have, and what a new name does not change."""
    if token is None:
        return ""
    return _shown(token) if _is_static(token) else f"{token.subject} at {(token.claims or {}).get('iss')}"


def _shown(token: AccessToken | None) -> str:
    """Return how a person is named in the audit log."""
    if token is None:
        return ""
    claims = token.claims or {}
    name = str(claims.get("name") or token.subject)
    return f"{name} (token)" if _is_static(token) else f"{name} ({token.subject} at {claims.get('iss')})"


def _is_static(token: AccessToken) -> bool:
    return (token.claims or {}).get("iss") == STATIC_ISSUER
