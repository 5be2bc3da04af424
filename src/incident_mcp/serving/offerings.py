"""What a caller is offered: the handlers of requests for tools, prompts, resources and completions."""

import inspect
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

from mcp import MCPError, UriTemplate
from mcp.server.mcpserver import DEFAULT_RESOURCE_SECURITY
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
)
from pydantic.fields import FieldInfo

from incident_mcp.catalogue import explain_unknown
from incident_mcp.errors import IncidentNotFoundError, ResourceUnreadableError
from incident_mcp.records.record import Json, shorten
from incident_mcp.records.text import inert
from incident_mcp.response.completions import complete
from incident_mcp.response.prompts import PROMPTS
from incident_mcp.response.resources import ACCOUNT, SITUATION, TEMPLATES, read_account, read_situation
from incident_mcp.serving import skill
from incident_mcp.tooling import aliases
from incident_mcp.tooling.caller import Call, Request, caller_of
from incident_mcp.tooling.tools import ToolResult, failed

MOST_COMPLETIONS = 100
"""The protocol's limit."""
LONGEST_COMPLETION = 120
"""Characters: longer values are not names that anyone picks from a list."""
_log = logging.getLogger(__name__)


async def list_tools(request: Request, _: PaginatedRequestParams | None) -> ListToolsResult:
    """List the caller's tools."""
    return ListToolsResult(tools=[tool.definition for tool in caller_of(request).tools.values()])


async def call_tool(request: Request, params: CallToolRequestParams) -> ToolResult:
    """Call one of the caller's tools."""
    call, arguments = Call(request, params.input_responses), params.arguments or {}
    around = call.caller.around
    if around is not None:
        return await around(params.name, arguments, partial(_perform, call))
    return await _perform(call, params.name, arguments)


async def _perform(call: Call, name: str, arguments: Json) -> ToolResult:
    tool = call.caller.tools.get(aliases.TOOLS.get(name, name))
    if tool is None:
        return failed(explain_unknown(name, call.caller.settings))
    return await tool.call(call, arguments, call.caller.settings.ignore_arguments, name=name)


async def list_prompts(_: Request, __: PaginatedRequestParams | None) -> ListPromptsResult:
    """List the prompts."""
    return ListPromptsResult(prompts=[_prompt(prompt) for prompt in PROMPTS])


def _prompt(fn: Callable[..., Any]) -> Prompt:
    """Describe a prompt by its function's docstring and signature."""
    description = inspect.getdoc(fn) or ""
    arguments = [
        PromptArgument(name=name, description=field.description, required=parameter.default is inspect.Parameter.empty)
        for name, parameter in inspect.signature(fn, eval_str=True).parameters.items()
        for field in getattr(parameter.annotation, "__metadata__", ())
        if isinstance(field, FieldInfo)
    ]
    return Prompt(name=fn.__name__, title=description.partition(":")[0], description=description, arguments=arguments)


async def get_prompt(request: Request, params: GetPromptRequestParams) -> GetPromptResult:
    """Render a prompt.

    Raises:
        MCPError: The prompt is unknown, or an argument is missing or unknown.
    """
    known = {prompt.__name__: prompt for prompt in PROMPTS}
    if params.name not in known:
        message = f"Unknown prompt {shorten(inert(params.name), 60)!r}. Available: {', '.join(known)}."
        raise MCPError(INVALID_PARAMS, message)
    prompt, arguments = _prompt(known[params.name]), params.arguments or {}
    _check_arguments(prompt, arguments)
    with _internal_errors(f"Error rendering prompt {params.name}"):
        texts = await known[params.name](Call(request, params.input_responses), **arguments)
    messages = [PromptMessage(role="user", content=TextContent(type="text", text=text)) for text in texts]
    return GetPromptResult(description=prompt.description, messages=messages)


def _check_arguments(prompt: Prompt, arguments: dict[str, str]) -> None:
    """Raise unless the arguments are those of the prompt."""
    required = {argument.name: argument.required for argument in prompt.arguments or ()}
    problems = _find_problems(required, arguments)
    if problems:
        known = ", ".join(f"{name}*" if required[name] else name for name in required)
        message = f"{prompt.name}: {'; '.join(problems)}. Arguments (* required): {known}."
        raise MCPError(INVALID_PARAMS, inert(message))


def _find_problems(required: dict[str, bool | None], arguments: dict[str, str]) -> list[str]:
    unknown = [f"unknown argument {name}" for name in arguments if name not in required]
    missing = [name for name in required if required[name] and not arguments.get(name, "").strip()]
    return unknown + [f"{name} is required" for name in missing]


async def list_resources(_: Request, __: PaginatedRequestParams | None) -> ListResourcesResult:
    """List the resources."""
    account = [
        Resource(uri=uri, name=uri.rpartition("/")[2], description=description, mime_type="application/json")
        for uri, (description, _) in ACCOUNT.items()
    ]
    situation = Resource(
        uri=SITUATION,
        name="situation",
        description="What is on fire in both services. Subscribe to it to be notified of changes.",
        mime_type="application/json",
    )
    return ListResourcesResult(resources=[*skill.resources(), situation, *account])


async def list_resource_templates(_: Request, __: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
    """List the templates of resources."""
    templates = [
        ResourceTemplate(uri_template=uri, name=page.__name__, description=page.__doc__, mime_type="text/markdown")
        for uri, page in TEMPLATES.items()
    ]
    return ListResourceTemplatesResult(resource_templates=templates)


async def read_resource(request: Request, params: ReadResourceRequestParams) -> ReadResourceResult:
    """Read a resource.

    Raises:
        MCPError: It does not exist or could not be read.
    """
    uri = params.uri
    try:
        with _internal_errors(f"Error reading resource {uri}"):
            mime_type, text = await _read(Call(request, params.input_responses), uri)
    except ResourceUnreadableError as failure:
        code = INVALID_PARAMS if isinstance(failure, IncidentNotFoundError) else INTERNAL_ERROR
        raise MCPError(code, str(failure), data={"uri": uri}) from failure
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=text, mime_type=mime_type)])


async def _read(call: Call, uri: str) -> tuple[str, str]:
    """Return the type and the text of a resource."""
    if uri in skill.FILES:
        return "text/markdown", skill.read_skill(skill.FILES[uri])
    if uri == SITUATION:
        return "application/json", await read_situation(call)
    if uri in ACCOUNT:
        return "application/json", await read_account(call.caller, uri)
    for template, page in TEMPLATES.items():
        values = UriTemplate.parse(template).match(uri)
        if values is not None and DEFAULT_RESOURCE_SECURITY.validate(values) is None:
            return "text/markdown", await page(call, **values)
    raise IncidentNotFoundError(f"Unknown resource: {uri}")


async def complete_argument(request: Request, params: CompleteRequestParams) -> CompleteResult:
    """Complete an argument of a prompt or of a template."""
    argument = params.argument
    with _internal_errors(f"Error completing argument {argument.name}"):
        found = await complete(caller_of(request), argument.name, argument.value)
    values = [shorten(inert(each), LONGEST_COMPLETION) for each in found[:MOST_COMPLETIONS]]
    completion = Completion(values=values, total=len(found), has_more=len(found) > MOST_COMPLETIONS)
    return CompleteResult(completion=completion)


@contextmanager
def _internal_errors(message: str) -> Generator[None]:
    """Log an unexpected error; the client reads only the message."""
    try:
        yield
    except (MCPError, ResourceUnreadableError):
        raise
    except Exception as error:
        _log.exception(message)
        raise MCPError(INTERNAL_ERROR, message) from error
