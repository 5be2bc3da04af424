"""incident.io's own SDK as the judge: what it would send, what it does not know, and its examples."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import httpx
from incident_io import api
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


@cache
def _templates() -> dict[tuple[str, str], str]:
    """The SDK's modules by method and path template."""
    found: dict[tuple[str, str], str] = {}
    for file in Path(api.__path__[0]).glob("*/*.py"):
        match = re.search(r'"method": "(\w+)",\s*"url": "([^"]+)"', file.read_text("utf-8"))
        if match:
            found[match[1].upper(), match[2]] = f"{api.__name__}.{file.parent.name}.{file.stem}"
    return found


def operation_of(method: str, path: str) -> ModuleType | None:
    """The SDK's module for a request; a path without placeholders goes before one with them."""
    for (its_method, template), module in sorted(_templates().items(), key=lambda row: row[0][1].count("{")):
        if its_method == method and re.fullmatch(re.sub("{[^}]*}", "[^/]+", template), path):
            return importlib.import_module(module)
    return None


def flaws(method: str, path: str, query: Iterable[str], body: Any) -> list[str]:
    """What the SDK does not know or misses in a request: query parameters and keys of the body, at any depth."""
    operation = operation_of(method, path)
    if operation is None:
        return [f"the SDK has no {method} {path}"]
    parameters = dict(inspect.signature(operation._get_kwargs, eval_str=True).parameters)
    model = parameters.pop("body", None)
    source = inspect.getsource(operation._get_kwargs)
    known = set(re.findall(r'(?:params\[|flatten_deep_object\()"(\w+)"', source))
    sent = {name.partition("[")[0] for name in query}
    needed = {
        name.rstrip("_")
        for name, each in parameters.items()
        if each.kind is each.KEYWORD_ONLY and each.default is each.empty
    }
    found = [f"no query parameter {name}" for name in sent - known]
    found += [f"needs the query parameter {name}" for name in needed - sent]
    if (model is None) != (body is None):
        return [*found, "takes no body" if model is None else "needs a body"]
    return found + (_flaws_of_body(model.annotation, body) if model else [])


def _flaws_of_body(model: Any, body: Any) -> list[str]:
    try:
        payload = model.from_dict(body)
    except (KeyError, ValueError, TypeError) as error:
        return [f"the body is no {model.__name__}: {error!r}"]
    changed = [] if instants(payload.to_dict()) == instants(body) else [f"{model.__name__} reads the body otherwise"]
    return [f"the body has no {key}" for key in unknown_keys(payload)] + changed
