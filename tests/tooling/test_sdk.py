"""What this project relies on in the MCP SDK: each test says what depends on the part that changed.

It needs neither the package nor the fixtures, so that it still explains a version of the SDK on which those fail:
`pytest --noconftest tests/tooling/test_sdk.py`.
"""

import ast
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import anyio
import mcp
import mcp.server.mcpserver
import mcp_types as types
import pytest

SOURCE = Path(__file__).parents[2] / "src/incident_mcp"
DEEP = (SOURCE / "tooling/sdk.py", SOURCE / "serving/http/sdk.py")
"""The only modules that may import below the public surface: of what every server needs, and of the team server."""
PUBLIC = ("mcp", "mcp.server", "mcp.server.mcpserver", "mcp_types", "mcp_types.version")
SEE = "see src/incident_mcp/tooling/sdk.py"


@contextmanager
def relied_on(what: str, why: str) -> Iterator[None]:
    """Fail with an explanation, whatever goes wrong."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # another version may fail in any way
        pytest.fail(f"mcp changed {what}: {why}; {SEE}. ({type(error).__name__}: {error})", pytrace=False)


def sdk_imports(file: Path) -> list[tuple[str, str]]:
    """Return what a module imports of the SDK, as (module, name)."""
    found: list[tuple[str, str]] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found += [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
    return [(module, name) for module, name in found if module.partition(".")[0] in ("mcp", "mcp_types")]


def is_public(module: str, name: str) -> bool:
    return module in PUBLIC and name in import_module(module).__all__


FILES = [file for file in sorted(SOURCE.rglob("*.py")) if sdk_imports(file)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_only_sdk_py_imports_below_the_public_surface(file):
    deep = [f"{module}.{name}" for module, name in sdk_imports(file) if not is_public(module, name)]
    if file in DEEP:
        assert len(deep) == len(sdk_imports(file)), "what is public now is imported where it is used"
    else:
        assert deep == [], f"{deep}: use what {', '.join(PUBLIC)} export, or import it in an sdk.py with the reason"


@pytest.mark.parametrize(("module", "name"), [each for file in DEEP for each in sdk_imports(file)])
def test_each_deep_import_is_still_there(module, name):
    with relied_on(f"{module}.{name}", "this project imports it, and the comment beside the import says what for"):
        getattr(import_module(module), name)


def served(run: Callable[[Any], Awaitable[None]], mode: str = "auto", client: Any = None, **handlers: Any) -> None:
    """Run a client on a server with these handlers, which no fixture of this project has a part in."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[str]:
        yield "made by the lifespan"

    async def main() -> None:
        server = mcp.server.Server("canary", lifespan=lifespan, **handlers)
        server.extensions["example.com/canary"] = {}
        security = mcp.server.mcpserver.RequestStateSecurity.ephemeral()
        boundary = mcp.server.mcpserver.RequestStateBoundary(security, default_audience="canary")
        server.middleware.append(boundary)
        async with mcp.Client(server, mode=mode, **(client or {})) as connected:
            await run(connected)

    anyio.run(main)


async def no_tools(_: Any, __: Any) -> Any:
    return types.ListToolsResult(tools=[])


def text_result(text: object) -> Any:
    return types.CallToolResult(content=[types.TextContent(type="text", text=str(text))])


def test_the_server_reads_session_messages_and_writes_them():
    with relied_on("what the streams of Server.run carry", "serving/stdio.py reads and writes the lines itself"):
        message = import_module("mcp.shared.message").SessionMessage

        async def main() -> object:
            server = mcp.server.Server("canary")
            inward, read_stream = anyio.create_memory_object_stream[Any](1)
            write_stream, outward = anyio.create_memory_object_stream[Any](1)
            options = server.create_initialization_options()
            async with outward, anyio.create_task_group() as tasks:
                tasks.start_soon(server.run, read_stream, write_stream, options)
                async with inward:
                    await inward.send(message(types.JSONRPCRequest(jsonrpc="2.0", id=7, method="ping")))
                    with anyio.fail_after(5):
                        return (await outward.receive()).message.id

        assert anyio.run(main) == 7


def test_a_listen_handler_s_frames_are_routed_by_the_subscription_s_id():
    with relied_on("subscriptions/listen", "serving/subscriptions/listen.py serves it"):
        key = import_module("mcp.shared.subscriptions").SUBSCRIPTION_ID_META_KEY

        async def listen(request: Any, params: Any) -> Any:
            meta = {key: request.request_id}
            filters = types.SubscriptionFilter(resource_subscriptions=params.notifications.resource_subscriptions)
            ack = types.SubscriptionsAcknowledgedNotificationParams(notifications=filters, _meta=meta)
            update = types.ResourceUpdatedNotificationParams(uri="a://b", _meta=meta)
            for frame in (
                types.SubscriptionsAcknowledgedNotification(params=ack),
                types.ResourceUpdatedNotification(params=update),
            ):
                await request.session.send_notification(frame, related_request_id=request.request_id)
            return types.SubscriptionsListenResult(_meta=meta)

        async def run(client: Any) -> None:
            async with client.listen(resource_subscriptions=["a://b"]) as subscription:
                assert subscription.honored.resource_subscriptions == ["a://b"]
                assert [each.uri async for each in subscription] == ["a://b"]

        served(run, on_list_tools=no_tools, on_subscriptions_listen=listen)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_handler_reaches_the_lifespan_the_client_and_the_protocol_version(mode):
    with relied_on("a request's context", "tooling/caller.py finds the caller and the client there"):

        async def call_tool(request: Any, params: Any) -> Any:
            client = request.session.client_params.client_info
            assert request.session.client_capabilities is not None
            assert params.input_responses is None
            assert request.request_id is not None
            facts = (request.lifespan_context, client.name, client.version, request.protocol_version)
            return text_result("|".join(facts))

        async def run(client: Any) -> None:
            (part,) = (await client.call_tool("any", {})).content
            caller, name, version, protocol = part.text.split("|")
            assert (caller, name, version) == ("made by the lifespan", "host", "7")
            assert protocol.startswith("20")

        served(
            run,
            mode,
            {"client_info": types.Implementation(name="host", version="7")},
            on_list_tools=no_tools,
            on_call_tool=call_tool,
        )


@pytest.mark.parametrize(("mode", "by_result"), [("legacy", False), ("auto", True)])
def test_a_question_is_asked_in_the_call_or_as_its_result(mode, by_result):
    with relied_on("how a host is asked", "writing/confirm.py asks by elicit_form, and by the result of a call"):
        form = {"type": "object", "properties": {"confirm": {"type": "boolean"}}, "required": ["confirm"]}

        async def call_tool(request: Any, params: Any) -> Any:
            if not by_result:
                return text_result(
                    (await request.session.elicit_form("Sure?", form, related_request_id=request.request_id)).content
                )
            if params.input_responses:
                return text_result(params.input_responses["confirm-1"].content)
            question = types.ElicitRequest(params=types.ElicitRequestFormParams(message="Sure?", requested_schema=form))
            return types.InputRequiredResult(input_requests={"confirm-1": question})

        async def yes(_: Any, params: Any) -> Any:
            assert params.message == "Sure?"
            return types.ElicitResult(action="accept", content={"confirm": True})

        async def run(client: Any) -> None:
            (part,) = (await client.call_tool("any", {})).content
            assert part.text == "{'confirm': True}"

        served(run, mode, {"elicitation_callback": yes}, on_list_tools=no_tools, on_call_tool=call_tool)


def test_request_state_that_the_server_did_not_seal_is_rejected():
    with relied_on("RequestStateBoundary or Server.middleware", "serving/server.py rejects forged state with it"):

        async def call_tool(_: Any, params: Any) -> Any:
            return text_result(params.request_state)

        async def run(client: Any) -> None:
            with pytest.raises(mcp.MCPError):
                await client.session.call_tool("any", {}, request_state="forged")

        served(run, on_list_tools=no_tools, on_call_tool=call_tool)


def test_an_extension_in_the_servers_table_is_advertised():
    with relied_on("Server.extensions", "serving/skill.py advertises the Skills extension there"):

        async def run(client: Any) -> None:
            assert client.server_capabilities.extensions == {"example.com/canary": {}}

        served(run, on_list_tools=no_tools)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_an_mcp_error_keeps_its_code_message_and_data(mode):
    with relied_on("MCPError", "serving/offerings.py raises it with a code, a text for the reader and data"):

        async def read_resource(_: Any, params: Any) -> Any:
            raise mcp.MCPError(-32602, "Unknown resource", data={"uri": params.uri})

        async def run(client: Any) -> None:
            with pytest.raises(mcp.MCPError) as raised:
                await client.read_resource("nope://x")
            error = raised.value.error
            assert (error.code, error.message, error.data) == (-32602, "Unknown resource", {"uri": "nope://x"})

        served(run, mode, on_list_tools=no_tools, on_read_resource=read_resource)


def test_a_template_matches_and_the_default_security_rejects_a_path():
    with relied_on("UriTemplate or DEFAULT_RESOURCE_SECURITY", "serving/offerings.py finds an incident's page by it"):
        template = mcp.UriTemplate.parse("incidentio://incidents/{incident}")
        assert template.match("incidentio://incidents/%23inc-1") == {"incident": "#inc-1"}
        assert template.match("incidentio://incidents/a/b") is None
        validate = mcp.server.mcpserver.DEFAULT_RESOURCE_SECURITY.validate
        assert validate({"incident": "#inc-1"}) is None
        assert validate({"incident": "../users"}) == "incident"
