"""What the server offers beside tools: prompts, resources, templates, completions and the skill."""

from collections.abc import Callable
from functools import partial

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.resources import FunctionResource
from mcp_types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from incident_mcp.deps import App
from incident_mcp.response.completions import complete
from incident_mcp.response.prompts import PROMPTS
from incident_mcp.response.resources import ACCOUNT, TEMPLATES, read_account


def offer(server: MCPServer[App], current: Callable[[], App]) -> None:
    """Put the offerings on a server.

    Args:
        server: The server.
        current: Gives what its lifespan made: the SDK passes no context to plain resources and completions.
    """
    for prompt in PROMPTS:
        server.add_prompt(Prompt.from_function(prompt))

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

    @server.completion()
    async def completion(
        _ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, _: CompletionContext | None
    ) -> Completion:
        return Completion(values=await complete(current(), argument.name, argument.value))
