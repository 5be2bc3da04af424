"""Reading a response: the record that it holds, or what its failure means."""

import re

import httpx2
from pydantic import ValidationError

from incident_mcp.errors import NoAnswerError, NotSentError, RefusedError, ServiceError
from incident_mcp.records.record import A, read_answer, read_json
from incident_mcp.transport.error_bodies import (
    MAX_SAID,
    Problem,
    denies,
    next_step,
    read_date,
    read_problem,
    read_request_id,
    retry_after,
)
from incident_mcp.transport.operation import Request
from incident_mcp.transport.service import Service
from incident_mcp.transport.tape import Response

_PLAUSIBLE = (1_577_836_800, 4_102_444_800)
"""Unix seconds of 2020 and 2100: a `Date` outside them says nothing about the service's clock."""


async def observe(service: Service, headers: httpx2.Headers, at: float) -> None:
    """Note what a response's headers say about the service: its clock, and what is left of its rate limit.

    Args:
        service: The service.
        headers: The headers.
        at: Unix seconds at which they arrived.
    """
    date = read_date(headers.get("date", ""))
    if date is not None and _PLAUSIBLE[0] < date < _PLAUSIBLE[1]:
        service.ahead = date - at
    remaining = headers.get("x-ratelimit-remaining", "")
    if service.rate_limit and re.fullmatch("[0-9]{1,9}", remaining, re.ASCII):
        await service.rate_limit.observe_remaining(float(remaining))


def observe_remaining(service: Service, headers: httpx2.Headers) -> None:
    """Report what is left of the service's rate limit to the service's observer."""
    remaining = headers.get("x-ratelimit-remaining", "")
    if service.observer and re.fullmatch("[0-9]{1,9}", remaining, re.ASCII):
        service.observer.remaining(service, int(remaining))


def read_response(service: Service, request: Request, response: Response, answer: type[A]) -> A:
    """Read a response.

    Raises:
        ServiceError: It is a failure, or not as documented.
    """
    content = service.redact(response.content)
    if not 200 <= response.status < 300:
        raise _failure(service, request, response, _error_body(response.headers, content))
    if request.method != "GET":
        _check_denial(service, request, response, content)
    try:
        return read_answer(content, answer)
    except ValidationError as error:
        wrong = _wrong_fields(error)
        what = "no JSON" if read_json(content) is None else f"not as documented ({wrong})"
        raise NoAnswerError(
            f"{service.name}'s answer to {request.label} ({response.status}) is {what}: expected {answer.__name__}."
        ) from None


def _wrong_fields(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    return ", ".join(sorted({".".join(map(str, each["loc"])) or "the whole" for each in problems})[:3])


def _check_denial(service: Service, request: Request, response: Response, content: bytes) -> None:
    """Raise if the body of a 2xx response to a write reports a failure."""
    body = read_json(content)
    if not denies(body):
        return
    problem = read_problem(body)
    detail = problem and (problem.sentence() or problem.type)
    why = f": {detail}." if detail else "."
    raise NoAnswerError(f"{service.name} answered {request.label} with {response.status}, but says that it failed{why}")


def _failure(service: Service, request: Request, response: Response, body: object) -> ServiceError:
    """Return what a response with another status than 2xx means."""
    status, problem = response.status, read_problem(body) or Problem("", ())
    kind = f" {problem.type}".rstrip()
    why = f": {problem.sentence()}." if problem.messages else f" to {request.label}."
    step = (request.advice or {}).get(status) or next_step(status, service.key_variable, service.host, request)
    return _error_class(request, status)(
        f"{service.name} answered {status}{kind}{why}",
        step=step,
        status=status,
        retry_after=retry_after(response.headers, body) if status in (429, 503) else None,
        request_id=problem.request_id or read_request_id(response.headers),
        problems=problem.messages,
        transient=status in (408, 500, 502, 503, 504) or (status == 409 and request.operation.retries_conflict),
        late=status in (408, 504),
    )


def _error_class(request: Request, status: int) -> type[ServiceError]:
    if status == 429:
        return NotSentError
    # A gateway may redirect after the service has acted.
    redirected = status < 400 and request.method != "GET"
    return NoAnswerError if redirected or status >= 500 or status == 408 else RefusedError


def _error_body(headers: httpx2.Headers, content: bytes) -> object:
    """Return an error's JSON or plain text; not HTML, which proxies fill with a page."""
    body = read_json(content)
    if body is None and headers.get("content-type", "").lower().startswith("text/plain"):
        return content[:MAX_SAID].decode(errors="replace")
    return body
