"""What the server offers beside tools: prompts, resources, templates, completions and the skill."""

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.prompts.base import Message
from mcp.server.mcpserver.resources import FunctionResource
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_PARAMS,
    CallToolResult,
    Completion,
    CompletionArgument,
    CompletionContext,
    GetPromptResult,
    InputRequiredResult,
    PromptReference,
    ResourceTemplateReference,
)
from mcp_types import Prompt as MCPPrompt
from mcp_types import Resource as MCPResource
from mcp_types import ResourceTemplate as MCPResourceTemplate
from pydantic.networks import AnyUrl

from incident_mcp.records.record import shorten
from incident_mcp.records.text import inert
from incident_mcp.response.completions import complete
from incident_mcp.response.prompts import PROMPTS
from incident_mcp.response.resources import ACCOUNT, TEMPLATES, read_account
from incident_mcp.tooling.dependencies import App

MOST_COMPLETIONS = 100
"""The protocol's limit."""
LONGEST_COMPLETION = 120
"""Characters: more is no name that anybody picks from a list."""


class HousePrompt(Prompt):
    """A prompt that says what is wrong with its arguments: the SDK would answer an internal error."""

    async def render(
        self, arguments: dict[str, Any] | None, context: Context[Any, Any]
    ) -> list[Message] | InputRequiredResult:
        """Render the prompt.

        Raises:
            MCPError: An argument is missing or unknown.
        """
        given, known = arguments or {}, {argument.name: argument for argument in self.arguments or ()}
        wrong = [f"there is no argument {name}" for name in given if name not in known]
        wrong += [
            f"{name} is required" for name in known if known[name].required and not str(given.get(name, "")).strip()
        ]
        if wrong:
            takes = ", ".join(f"{name}*" if known[name].required else name for name in known)
            message = f"{self.name}: {'; '.join(wrong)}. Arguments (* required): {takes}."
            raise MCPError(code=INVALID_PARAMS, message=inert(message))
        return await super().render(given, context)


class HouseServer(MCPServer[App]):
    """A server that explains unknown tools, and makes its prompts and resources when somebody first asks for one.

    They cost a start 25 ms.
    """

    explain_unknown: Callable[[str], str] | None = None
    """Says what to call in place of a tool that is not offered."""
    _offered: Callable[[], None] | None = None

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[App, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool.

        Raises:
            ToolError: There is no such tool, or it failed.
        """
        if self.explain_unknown is not None and self._tool_manager.get_tool(name) is None:
            raise ToolError(self.explain_unknown(name))
        return await super().call_tool(name, arguments, context)

    async def serve_streams(
        self,
        read_stream: MemoryObjectReceiveStream[SessionMessage | Exception],
        write_stream: MemoryObjectSendStream[SessionMessage],
    ) -> None:
        """Serve a client on two streams until the first one ends."""
        server = self._lowlevel_server
        await server.run(read_stream, write_stream, server.create_initialization_options())

    def offer_later(self, offer: Callable[[], None]) -> None:
        """Keep what puts prompts and resources on the server."""
        self._offered = offer

    def _offer(self) -> None:
        offer, self._offered = self._offered, None
        if offer is not None:
            offer()

    async def list_prompts(self) -> list[MCPPrompt]:
        """List the prompts."""
        self._offer()
        return await super().list_prompts()

    async def list_resources(self) -> list[MCPResource]:
        """List the resources."""
        self._offer()
        return await super().list_resources()

    async def list_resource_templates(self) -> list[MCPResourceTemplate]:
        """List the templates."""
        self._offer()
        return await super().list_resource_templates()

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[App, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read a resource."""
        self._offer()
        return await super().read_resource(uri, context)

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[App, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """Get a prompt.

        Raises:
            MCPError: There is no such prompt, or an argument is missing or unknown.
        """
        self._offer()
        known = [prompt.__name__ for prompt in PROMPTS]
        if name not in known:
            # The SDK would answer an internal error.
            message = f"There is no prompt {shorten(inert(name), 60)!r}. There are: {', '.join(known)}."
            raise MCPError(code=INVALID_PARAMS, message=message)
        return await super().get_prompt(name, arguments, context)


def offer(server: HouseServer, current: Callable[[], App]) -> None:
    """Put the offerings on a server.

    Args:
        server: The server.
        current: Gives what its lifespan made: the SDK passes no context to plain resources and completions.
    """
    server.offer_later(partial(_offer_prompts_and_resources, server, current))

    @server.completion()
    async def completion(
        _ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, _: CompletionContext | None
    ) -> Completion:
        found = await complete(current(), argument.name, argument.value)
        found = [shorten(inert(each), LONGEST_COMPLETION) for each in found]
        return Completion(values=found[:MOST_COMPLETIONS], total=len(found), has_more=len(found) > MOST_COMPLETIONS)


def _offer_prompts_and_resources(server: HouseServer, current: Callable[[], App]) -> None:
    for prompt in PROMPTS:
        description = inspect.getdoc(prompt) or ""
        title = description.partition(":")[0]
        server.add_prompt(HousePrompt.from_function(prompt, title=title, description=description))

    async def read(uri: str) -> str:
        return await read_account(current(), uri)

    for uri, (description, _) in ACCOUNT.items():
        name = uri.rpartition("/")[2]
        server.add_resource(
            FunctionResource(
                uri=uri, name=name, description=description, mime_type="application/json", fn=partial(read, uri)
            )
        )
    for template, page in TEMPLATES.items():
        server.resource(template, mime_type="text/markdown")(page)
