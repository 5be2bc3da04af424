"""incident.io's own SDK as the judge: what it would send, what it does not know, and its examples."""

import ast
from datetime import datetime
from types import ModuleType
from typing import Any

import attrs
import httpx
from incident_io.types import UNSET

from incident_mcp.sandbox import Received

Wire = tuple[str, str, list[tuple[str, str]], Any]
"""Method, raw path, sorted query pairs, body with its instants parsed."""


def built(operation: ModuleType, *path: str, **arguments: Any) -> Wire:
    """The request that the SDK builds."""
    kwargs = operation._get_kwargs(*path, **arguments)
    url = httpx.Request("GET", f"https://host.example{kwargs['url']}", params=kwargs.get("params")).url
    query = sorted(httpx.QueryParams(url.query).multi_items())
    return kwargs["method"].upper(), kwargs["url"], query, instants(kwargs.get("json"))


def sent(request: Received) -> Wire:
    """The request that we sent."""
    return request.method, request.path, sorted(request.query), instants(request.body)


def instants(value: Any) -> Any:
    """The same JSON with RFC 3339 texts as datetimes: the SDK writes +00:00 where others write Z."""
    if isinstance(value, dict):
        return {key: instants(item) for key, item in value.items()}
    if isinstance(value, list):
        return [instants(item) for item in value]
    if isinstance(value, str) and value[4:5] == "-" and "T" in value:
        return datetime.fromisoformat(value)
    return value


def unknown_keys(model: Any, at: str = "$") -> list[str]:
    """The keys that no model of the SDK knows, at any depth."""
    if isinstance(model, list):
        return [found for number, item in enumerate(model) for found in unknown_keys(item, f"{at}[{number}]")]
    if not attrs.has(type(model)):
        return []
    named = [part.name for part in attrs.fields(type(model)) if part.name != "additional_properties"]
    found = [f"{at}.{key}" for key in model.additional_properties]
    return found + [deeper for name in named for deeper in unknown_keys(getattr(model, name), f"{at}.{name}")]


def example(model: type) -> Any:
    """The example in a model's docstring, as the vendor's document has it."""
    _, _, rest = (model.__doc__ or "").partition("Example:\n")
    written = rest.partition("\n\n")[0]
    return ast.literal_eval(" ".join(line.strip() for line in written.splitlines()))


def required_only(model: Any) -> Any:
    """The same answer with nothing in it but what the vendor promises to be there, at any depth."""
    if isinstance(model, list):
        return [required_only(item) for item in model]
    if attrs.has(type(model)):
        for part in attrs.fields(type(model)):
            value = getattr(model, part.name)
            setattr(model, part.name, UNSET if part.default is UNSET else required_only(value))
    return model
