"""Two callers of one server in one process: neither sees the other's account, journal, limits, tools or identity."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp import Client
from mcp_types import PromptReference, TextResourceContents
from pydantic import SecretStr

from incident_mcp.catalogue import select
from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.callers import open_caller
from incident_mcp.serving.server import make_server
from incident_mcp.settings import Settings
from tests.conftest import NOW, Caller

from .conftest import VERSIONS

pytestmark = pytest.mark.anyio

CREATE = ("incidentio_create_incident", {"name": "Carts stay full", "severity": "Major"})
PEOPLE = ["sam.okafor@paysand.example", "yuki.tanaka@paysand.example"]


class Account(Sandbox):
    """Both services of one account, with a key of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(now=NOW)
        self.incidentio.key += f"-{number}"

    def key(self, service: Literal["incidentio", "ionhour"]) -> str:
        return getattr(self, service).key


Two = Callable[..., AbstractAsyncContextManager[tuple[Caller, Caller]]]


@pytest.fixture(params=VERSIONS)
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Two:
    """Connect two callers, whose settings differ: `async with two({}, {"read_only": True}) as (first, second):`."""

    @asynccontextmanager
    async def two_(*settings: dict[str, Any]) -> AsyncIterator[tuple[Caller, Caller]]:
        accounts = [Account(0), Account(1)]
        connecting: list[int] = []

        @asynccontextmanager
        async def lifespan(_: object) -> AsyncIterator[Any]:
            number = connecting[-1]
            chosen = Settings(sandbox=True, state_dir=tmp_path / str(number), **settings[number])
            async with open_caller(chosen, select(chosen), accounts[number], name=f"caller {number}") as caller:
                yield caller

        server = make_server("", lifespan)
        async with AsyncExitStack() as stack:
            calls: list[Caller] = []
            for number, box in enumerate(accounts):
                connecting.append(number)
                calls.append(Caller(await stack.enter_async_context(Client(server, mode=request.param)), box))
            yield calls[0], calls[1]

    return two_


async def text_of(call: Caller, uri: str) -> str:
    (content,) = (await call.client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return content.text


async def test_each_is_offered_its_own_tools(two: Two) -> None:
    async with two({}, {"read_only": True}) as (writing, reading):
        offered = [{tool.name for tool in (await call.client.list_tools()).tools} for call in (writing, reading)]
        assert offered[1] < offered[0]
        assert CREATE[0] in offered[0] - offered[1]
        assert "is not offered here: INCIDENT_MCP_READ_ONLY is set" in await reading.error(CREATE[0], **CREATE[1])
        await writing.ok(CREATE[0], **CREATE[1])
        prompts = [
            (await call.client.get_prompt("declare", {"what": "x"})).model_dump_json() for call in (writing, reading)
        ]
        assert ["INCIDENT_MCP_READ_ONLY" in prompt for prompt in prompts] == [False, True]


async def test_each_reads_and_caches_its_own_account(two: Two) -> None:
    ref = PromptReference(name="declare")
    async with two({}, {}) as calls:
        for number, call in enumerate(calls):
            call.box.incidentio.severities[-1]["name"] = f"Worst of {number}"
        for _ in range(2):
            for number, call in enumerate(calls):
                name = f"Worst of {number}"
                completed = await call.client.complete(ref, {"name": "severity", "value": "w"})
                assert completed.completion.values == [name]
                assert name in await text_of(call, "incidentio://severities")
                assert name in (await call.ok("incidentio_list_severities"))["severities"][-1]["name"]
                planned = await call.ok(CREATE[0], name="x", severity=name, dry_run=True)
                assert planned["would_send"]["body"]["severity_id"] == call.box.incidentio.severities[-1]["id"]
        for call in calls:
            paths = [request.path for request in call.box.requests]
            # The resource and the tool read afresh; the completion and the name's lookup share what is cached.
            assert paths.count("/v1/severities") == 1 + 2 * 2


async def test_a_write_of_one_is_no_repeat_of_the_other_s(two: Two) -> None:
    async with two({}, {}) as (first, second):
        for call in (first, second):
            assert "repeated" not in await call.ok(CREATE[0], **CREATE[1])
        assert (await first.ok(CREATE[0], **CREATE[1]))["repeated"] is True
        assert [len(call.box.writes()) for call in (first, second)] == [1, 1]


async def test_each_has_its_own_write_limit(two: Two) -> None:
    async with two({"max_declares": 1}, {"max_declares": 1}) as (first, second):
        await first.ok(CREATE[0], **CREATE[1])
        assert "Write limit: 1 declarations" in await first.error(CREATE[0], name="Another", severity="Major")
        await second.ok(CREATE[0], **CREATE[1])


async def test_me_is_the_caller(two: Two) -> None:
    async with two(*({"me": person} for person in PEOPLE)) as calls:
        for call, person in zip(calls, PEOPLE, strict=True):
            planned = await call.ok(CREATE[0], **CREATE[1], roles={"lead": "me"}, dry_run=True)
            (assignment,) = planned["would_send"]["body"]["incident_role_assignments"]
            assert assignment["assignee"] == {"email": person}


PAGE = {"title": "Help", "escalation_path": "Database"}


async def test_a_code_of_one_caller_is_rejected_by_the_other_though_they_share_a_secret(two: Two) -> None:
    shared = {"signing_key": SecretStr("k" * 32)}
    async with two(shared, shared) as (one, other):
        code = (await one.ok("incidentio_page_people", **PAGE))["confirm"]
        error = await other.error("incidentio_page_people", **PAGE, confirm=code)
        assert "is not of a preview of this call" in error
        assert other.box.writes() == []
        await one.ok("incidentio_page_people", **PAGE, confirm=code)


@pytest.mark.parametrize("name", ["", "somebody else"])
async def test_a_code_is_bound_to_the_caller_of_an_account(tmp_path: Path, name: str) -> None:
    box = Sandbox(now=NOW)
    settings = Settings(sandbox=True, state_dir=tmp_path, toolsets=("all",))

    @asynccontextmanager
    async def connected(caller_name: str) -> AsyncIterator[Caller]:
        def lifespan(_: object) -> AbstractAsyncContextManager[Any]:
            return open_caller(settings, select(settings), box, name=caller_name)

        async with Client(make_server("", lifespan)) as client:
            yield Caller(client, box)

    async with connected("") as one, connected(name) as other:
        code = (await one.ok("incidentio_page_people", **PAGE))["confirm"]
        result = await other.result("incidentio_page_people", **PAGE, confirm=code)
    assert result.is_error is bool(name)
    assert len(box.writes()) == int(not name)
