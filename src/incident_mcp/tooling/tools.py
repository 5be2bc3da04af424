"""From a function to a tool: the house rules that hold for every tool, in one place.

The function is the tool: its name, its docstring and its signature are what the model reads. On top of the SDK's
`Tool`: unknown arguments are refused by name, schemas are flat enough for every host, answers are compact and carry
no nulls, and failures are worded for the model.
"""

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast, get_args, get_origin

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.resolve import find_resolved_parameters
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp_types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from incident_mcp.errors import InputRequired, ServiceError
from incident_mcp.records.record import Json, Record
from incident_mcp.records.text import inert
from incident_mcp.tooling.arguments import read_arguments
from incident_mcp.tooling.dependencies import app_of
from incident_mcp.tooling.schemas import object_schema
from incident_mcp.writing.outcome import NotSent, describe
from incident_mcp.writing.result import RESULT_PROPERTIES, WriteResult


class Arguments(ArgModelBase):
    """Base of every tool's arguments: an unknown one is an error, since a misspelt filter must not widen a search."""

    model_config = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, coerce_numbers_to_str=True, defer_build=True
    )


class HouseMetadata(FuncMetadata):
    """Leaves arguments as they were read and writes answers compactly."""

    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        """Take the arguments as `read_arguments` left them: the SDK would read "null" and "1" as JSON."""
        return data

    def convert_result(self, result: object) -> CallToolResult | InputRequiredResult:
        """Return the record as compact text and, from the same dump, as structured content."""
        if isinstance(result, InputRequiredResult):
            return result
        answer = cast("Record | WriteResult[Any]", result).answer()
        text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=answer)


class HouseTool(Tool):
    """A tool whose errors name the argument, and carry no prefix."""

    async def run(self, arguments: Json, context: Context[Any, Any], convert_result: bool = False) -> object:  # noqa: FBT001, FBT002  # the SDK's signature
        """Run the tool.

        Raises:
            ToolError: The text is for the model.
        """
        fields = self.fn_metadata.arg_model.model_fields
        ignored = app_of(context).settings.ignore_arguments
        taken, wrong = read_arguments(fields, arguments, ignored)
        if wrong:
            raise ToolError(inert(self._refusal(wrong)))
        try:
            return await super().run(taken, context, convert_result)
        except InputRequired as question:
            return question.result
        except UnexpectedToolError as error:
            cause = type(error.__cause__).__name__
            raise UnexpectedToolError(
                f"{self.name} failed on an error of its own ({cause}); the server's log has the details."
                " If it was to write something, read the incident before calling it again."
            ) from error.__cause__
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):
                raise ToolError(inert(self._explain(error.__cause__))) from error.__cause__
            if isinstance(error.__cause__, ToolError):
                raise ToolError(inert(self._describe(error.__cause__))) from None
            raise

    def _describe(self, error: ToolError) -> str:
        """Return the text of a failure; one before a write's own request says that the write was not sent."""
        writes = self.annotations is not None and not self.annotations.read_only_hint
        return describe(NotSent(failure=error)) if writes and isinstance(error, ServiceError) else str(error)

    def _explain(self, error: ValidationError) -> str:
        return self._refusal([_complaint(cast("Json", problem)) for problem in error.errors(include_url=False)])

    def _refusal(self, wrong: Sequence[str]) -> str:
        fields = self.fn_metadata.arg_model.model_fields
        known = ", ".join(f"{name}*" if info.is_required() else name for name, info in fields.items()) or "none"
        return f"{self.name}: {'; '.join(wrong)}. Not sent. Arguments (* required): {known}."


def _complaint(problem: Json) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            return f"there is no argument {name}"
        case "missing":
            return f"{name} is required"
        case "value_error":
            return f"{name} {problem['ctx']['error']}"
        case _:
            return f"{name}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _arguments(fn: Callable[..., Awaitable[Any]], injected: set[str]) -> type[ArgModelBase]:
    parameters = inspect.signature(fn, eval_str=True).parameters.values()
    fields: dict[str, Any] = {
        p.name: (p.annotation, ... if p.default is inspect.Parameter.empty else p.default)
        for p in parameters
        if p.name not in injected
    }
    return create_model(f"{fn.__name__}_arguments", __base__=Arguments, **fields)


def _injecting(fn: Callable[..., Awaitable[Any]], injected: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """Return a tool's function with what it asks for beside its arguments: none of that asks the user."""

    async def call(ctx: Context[Any, Any], **arguments: object) -> object:
        return await fn(**arguments, **{name: await make(ctx) for name, make in injected.items()})

    return call


def _answer_schema(annotation: Any) -> Json:  # noqa: ANN401  # any annotation
    written = get_origin(annotation) is WriteResult
    record: type[BaseModel] = get_args(annotation)[0] if written else annotation
    schema = object_schema(record)
    if written:
        schema.pop("required", None)
        schema["properties"] |= RESULT_PROPERTIES
    return schema


@dataclass(frozen=True)
class Toolset:
    """Tools that are offered together."""

    name: str
    description: str
    """One sentence."""
    default: bool = False
    """Whether it is offered when the settings name no toolset."""


CORE = Toolset("core", "Incidents, updates and notes in both services, and the tools that combine them.", default=True)


@dataclass(frozen=True)
class ToolSpec:
    """A function and what it takes to make a tool of it; `build` is left to the server, for it costs about 4 ms."""

    fn: Callable[..., Awaitable[Any]]
    title: str
    writes: bool = False
    destructive: bool = False
    idempotent: bool = False
    toolset: Toolset = CORE

    @property
    def name(self) -> str:
        """The function is the tool."""
        return self.fn.__name__

    @property
    def services(self) -> tuple[str, ...]:
        """The services that it cannot do without: the resolvers it asks for are called after them."""
        needed = {marker.fn.__name__ for marker, _ in find_resolved_parameters(self.fn).values()}
        return tuple(service for service in ("incidentio", "ionhour") if service in needed)

    @cache  # noqa: B019  # a spec lives as long as the process
    def build(self) -> Tool:
        """Make the tool, once."""
        injected = {name: marker.fn for name, (marker, _) in find_resolved_parameters(self.fn).items()}
        arguments = _arguments(self.fn, set(injected))
        answer = inspect.signature(self.fn, eval_str=True).return_annotation
        return HouseTool(
            fn=_injecting(self.fn, injected),
            name=self.name,
            title=self.title,
            description=inspect.getdoc(self.fn) or "",
            parameters=object_schema(arguments),
            fn_metadata=HouseMetadata(arg_model=arguments, output_schema=_answer_schema(answer)),
            is_async=True,
            context_kwarg="ctx",
            annotations=ToolAnnotations(
                title=self.title,
                read_only_hint=not self.writes,
                destructive_hint=self.destructive,
                idempotent_hint=self.idempotent,
                open_world_hint=True,
            ),
        )


def read_tool(fn: Callable[..., Awaitable[Record]], title: str, *, toolset: Toolset = CORE) -> ToolSpec:
    """Return a tool that only reads."""
    return ToolSpec(fn, title, idempotent=True, toolset=toolset)


def write_tool(
    fn: Callable[..., Awaitable[WriteResult[Any]]],
    title: str,
    *,
    destructive: bool = False,
    idempotent: bool = False,
    toolset: Toolset = CORE,
) -> ToolSpec:
    """Return a tool that writes.

    Args:
        fn: The function; it takes `dry_run`.
        title: For people.
        destructive: Something is lost or people are paged.
        idempotent: Calling it twice with the same arguments does no more than calling it once.
        toolset: The toolset that it belongs to.
    """
    return ToolSpec(fn, title, writes=True, destructive=destructive, idempotent=idempotent, toolset=toolset)
