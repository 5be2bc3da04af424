"""From a function to a tool: the rules that hold for every tool, in one place.

The function is the tool: its name, its docstring and its signature are what the model reads. Unknown arguments are
rejected by name, schemas are flat enough for every host, results are compact and carry no nulls, and error messages are
written for the model.
"""

import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, TypeAlias, cast

from mcp_types import CallToolResult, InputRequiredResult, TextContent, Tool, ToolAnnotations
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from incident_mcp.errors import IncidentMcpError, InputError, ServiceError, join_sentences
from incident_mcp.records.record import Json, Record
from incident_mcp.records.text import inert
from incident_mcp.tooling.aliases import remark_of, rename_arguments
from incident_mcp.tooling.arguments import read_arguments
from incident_mcp.tooling.schemas import all_shipped, shipped
from incident_mcp.writing.confirm import InputRequired
from incident_mcp.writing.outcome import NotSent, describe
from incident_mcp.writing.result import WriteResult

_log = logging.getLogger(__name__)

ToolResult: TypeAlias = CallToolResult | InputRequiredResult
"""What a host gets of a call: its result, or a question to answer first."""


class Arguments(BaseModel):
    """Base of every tool's arguments: an unknown one is an error, since a misspelled filter must not widen a search."""

    model_config = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, coerce_numbers_to_str=True, defer_build=True
    )


@dataclass(frozen=True)
class Depends:
    """Marks a parameter that is not an argument: `Annotated[Api, Depends(incidentio)]` is filled for each call."""

    resolve: Callable[[Any], Awaitable[Any]]
    """Returns the parameter's value for a call."""


def _complaint(problem: Json) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            return f"unknown argument {name}"
        case "missing":
            return f"{name} is required"
        case "value_error":
            return f"{name} {problem['ctx']['error']}"
        case _:
            return f"{name}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def failed(text: str) -> CallToolResult:
    """Return the result of a call that failed; hosts hide the text of one that also has structured content."""
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)


def _with_remarks(answer: Json, remarks: Sequence[str]) -> Json:
    """Return a result with further remarks in its note."""
    return {**answer, "note": join_sentences(answer.get("note"), *remarks)} if remarks else answer


@dataclass(frozen=True)
class Toolset:
    """Tools that are offered together."""

    name: str
    description: str
    """One sentence."""
    default: bool = False
    """Whether it is offered when the settings name no toolset."""


CORE = Toolset("core", "Incidents, updates and notes in both services, and the tools that combine them.", default=True)


Function: TypeAlias = Callable[..., Awaitable[Any]]


ROLES = ("reader", "responder", "pager")
"""What a person may do where several share a server; each role includes those before it."""


@dataclass(frozen=True)
class ToolSpec:
    """A function and what makes a tool of it. Its validators are built on the first call: that costs about 4 ms."""

    source: Function | str
    """The function, or the module that has it, which is imported when the tool is called."""
    name: str
    """The function's name: the function is the tool."""
    title: str
    writes: bool = False
    destructive: bool = False
    idempotent: bool = False
    toolset: Toolset = CORE
    preview: type[Record] | bool = False
    """What the first of two calls returns, or whether there are two; false for a tool that one call carries out."""
    keywords: str = ""
    """Words with which people ask for it, beyond those of its name and description."""

    @cached_property
    def fn(self) -> Function:
        """The function."""
        return getattr(import_module(self.source), self.name) if isinstance(self.source, str) else self.source

    @property
    def role(self) -> str:
        """The least role that may call it: what takes a preview first rings phones, is published, or opens access."""
        if not self.writes:
            return "reader"
        return "pager" if self.preview else "responder"

    @property
    def services(self) -> tuple[str, ...]:
        """The services that the tool always needs: its resolvers are named after them."""
        if isinstance(self.source, str):
            return shipped(self.name).services
        needed = {resolve.__name__ for resolve in self._resolvers.values()}
        return tuple(service for service in ("incidentio", "ionhour") if service in needed)

    @property
    def description(self) -> str:
        """What the model reads of it: its docstring."""
        return shipped(self.name).description if isinstance(self.source, str) else inspect.getdoc(self.fn) or ""

    @property
    def summary(self) -> str:
        """The first line of its description."""
        return self.description.partition("\n")[0]

    @cached_property
    def arguments(self) -> type[Arguments]:
        """The model that validates the arguments of a call."""
        fields: dict[str, Any] = {
            p.name: (p.annotation, ... if p.default is inspect.Parameter.empty else p.default)
            for p in self._signature.parameters.values()
            if p.name not in self._resolvers
        }
        return create_model(f"{self.name}_arguments", __base__=Arguments, **fields)

    @cached_property
    def definition(self) -> Tool:
        """The tool as hosts read it."""
        schemas = shipped(self.name)
        return Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=schemas.input,
            output_schema=schemas.output,
            annotations=ToolAnnotations(
                title=self.title,
                read_only_hint=not self.writes,
                destructive_hint=self.destructive,
                idempotent_hint=self.idempotent,
                open_world_hint=True,
            ),
        )

    async def call(self, call: object, sent: Json, ignored: Collection[str] = (), *, name: str = "") -> ToolResult:
        """Call the tool; a failure is a result, too.

        Args:
            call: What the resolvers read.
            sent: The arguments as the host sent them.
            ignored: Arguments that hosts add to every call.
            name: The name by which it was called.
        """
        sent, remarks = rename_arguments(self.name, sent)
        try:
            arguments = self._validate(sent, ignored)
            injected = {name: await resolve(call) for name, resolve in self._resolvers.items()}
            record: Record | WriteResult[Any] | ToolResult
            record = await self.fn(**arguments, **injected)
            if isinstance(record, ToolResult):
                # Of another tool, which this one called.
                return record
            answer = _with_remarks(record.answer(), remark_of(name) + remarks)
        except InputRequired as question:
            return question.result
        except IncidentMcpError as failure:
            return failed(inert(self._describe(failure)))
        except Exception as error:  # noqa: BLE001  # no unexpected error may end the call without a result
            _log.exception("Tool %r raised an unexpected exception", self.name)
            return failed(
                f"{self.name} failed with an internal error ({type(error).__name__}); the server's log has the details."
                " If it should have written something, read the incident before calling it again."
            )
        text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=answer)

    @cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.fn, eval_str=True)

    @cached_property
    def _resolvers(self) -> dict[str, Callable[[Any], Awaitable[Any]]]:
        """Parameter to what fills it for a call."""
        return {
            name: marker.resolve
            for name, parameter in self._signature.parameters.items()
            for marker in getattr(parameter.annotation, "__metadata__", ())
            if isinstance(marker, Depends)
        }

    def _validate(self, sent: Json, ignored: Collection[str]) -> Json:
        fields = self.arguments.model_fields
        values, wrong = read_arguments(fields, sent, ignored)
        if wrong:
            raise InputError(self._rejection(wrong))
        try:
            model = self.arguments.model_validate(values)
        except ValidationError as error:
            complaints = [_complaint(cast("Json", problem)) for problem in error.errors(include_url=False)]
            raise InputError(self._rejection(complaints)) from error
        return {name: getattr(model, name) for name in fields}

    def _rejection(self, wrong: Sequence[str]) -> str:
        fields = self.arguments.model_fields
        known = ", ".join(f"{name}*" if info.is_required() else name for name, info in fields.items()) or "none"
        return f"{self.name}: {'; '.join(wrong)}. Not sent. Arguments (* required): {known}."

    def _describe(self, failure: IncidentMcpError) -> str:
        """Return the text of a failure; one before a write's own request says that the write was not sent."""
        return describe(NotSent(failure=failure)) if self.writes and isinstance(failure, ServiceError) else str(failure)


def read_tool(
    fn: Callable[..., Awaitable[Record | ToolResult]],
    title: str,
    *,
    toolset: Toolset = CORE,
    keywords: str = "",
) -> ToolSpec:
    """Return a tool that only reads; `keywords` are words with which people ask for it."""
    return ToolSpec(fn, fn.__name__, title, idempotent=True, toolset=toolset, keywords=keywords)


def write_tool(  # noqa: PLR0913  # all that tools differ in, by name
    fn: Callable[..., Awaitable[WriteResult[Any] | ToolResult]],
    title: str,
    *,
    destructive: bool = False,
    idempotent: bool = False,
    toolset: Toolset = CORE,
    preview: type[Record] | None = None,
    keywords: str = "",
) -> ToolSpec:
    """Return a tool that writes.

    Args:
        fn: The function; it takes `dry_run`, or `confirm` if there is a preview.
        title: For people.
        destructive: Something is lost or people are paged.
        idempotent: Calling it twice with the same arguments does no more than calling it once.
        toolset: The toolset that it belongs to.
        preview: What the first of two calls returns, for a write that rings a phone or changes whose phone rings.
        keywords: Words with which people ask for it.
    """
    return ToolSpec(
        fn,
        fn.__name__,
        title,
        writes=True,
        destructive=destructive,
        idempotent=idempotent,
        toolset=toolset,
        preview=preview or False,
        keywords=keywords,
    )


def shipped_tools() -> list[ToolSpec]:
    """Return all tools as they are shipped, in the order in which they are listed; no tool's module is imported."""
    return [
        ToolSpec(
            tool.module,
            name,
            tool.title,
            writes=tool.writes,
            destructive=tool.destructive,
            idempotent=tool.idempotent,
            toolset=Toolset(*tool.toolset),
            preview=tool.takes_two_calls,
            keywords=tool.keywords,
        )
        for name, tool in all_shipped().items()
    ]
