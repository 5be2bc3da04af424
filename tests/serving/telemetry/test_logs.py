"""Logs as JSON: one object a line, whatever is in it."""

import json
import logging
import sys
import warnings
from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import INVALID_SPAN, use_span

from incident_mcp.serving.telemetry import configure_json_logging
from incident_mcp.serving.telemetry.logs import LONGEST_MESSAGE, JsonFormatter
from tests.serving.telemetry.conftest import ConnectTo, Exported
from tests.spawned import run

MARKER = "-".join(["planted", "marker", "9f3a"])  # noqa: FLY002  # not one word for scanners
NAMES = ("uvicorn", "uvicorn.error", "uvicorn.access", "httpx2")


@pytest.fixture(autouse=True)
def _restore_logging() -> Generator[None]:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    root.handlers.clear()
    loggers = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in map(logging.getLogger, NAMES)]
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = kept
    root.setLevel(level)
    for logger, handlers, own, propagate in loggers:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(own)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


log = logging.getLogger("tests.logs")


def test_a_record_is_one_object_with_time_level_logger_and_message(capsys: pytest.CaptureFixture[str]):
    configure_json_logging()
    configure_json_logging()
    log.warning("%d of %s", 1, "two")
    log.info("not logged")
    [line] = lines(capsys)
    at = datetime.fromisoformat(line.pop("at"))
    assert at.utcoffset() == timedelta(0)
    assert line == {"level": "WARNING", "logger": "tests.logs", "message": "1 of two"}


@pytest.mark.parametrize(
    "text",
    ["a\nb", "a\r\nb", "\u2028", "\x85", "\x1b[2J", "\x00", "\ud800", '"}\n{"forged": "', "\u202e", "\U000e0041"],
    ids=ascii,
)
def test_hostile_text_stays_in_one_line(text: str, capsys: pytest.CaptureFixture[str]):
    configure_json_logging()
    log.warning("%s", text)
    [line] = lines(capsys)
    assert set(line) == {"at", "level", "logger", "message"}
    assert line["message"].isprintable()


def test_a_message_is_bounded(capsys: pytest.CaptureFixture[str]):
    configure_json_logging()
    log.warning("x" * 5_000_000)
    log.warning("\x1b" * 5_000_000)
    assert all(len(line["message"]) <= LONGEST_MESSAGE + 1 for line in lines(capsys))


def test_credentials_are_left_out(capsys: pytest.CaptureFixture[str]):
    configure_json_logging()
    log.warning("Authorization: Bearer %s, basic %s=", MARKER, MARKER)
    [line] = lines(capsys)
    assert line["message"] == "Authorization: Bearer ***, basic ***"


def test_arguments_that_do_not_fit_lose_no_line(capsys: pytest.CaptureFixture[str]):
    configure_json_logging()
    log.warning(*["%s %s", MARKER])
    [line] = lines(capsys)
    assert line["message"] == "%s %s (TypeError while formatting)"


def test_an_exception_is_its_types_and_places_without_their_texts(capsys: pytest.CaptureFixture[str]):
    configure_json_logging()
    try:
        try:
            int(MARKER)
        except ValueError as error:
            raise KeyError(MARKER) from error
    except KeyError:
        log.exception("It failed")
    [line] = lines(capsys)
    assert [each["type"] for each in line["exception"]] == ["builtins.KeyError", "builtins.ValueError"]
    assert all("test_logs.py" in each["at"][-1] for each in line["exception"])
    assert MARKER not in json.dumps(line)


def test_an_exception_group_names_what_is_in_it(capsys: pytest.CaptureFixture[str]):
    configure_json_logging()
    group = ExceptionGroup(MARKER, [ValueError(MARKER), *[KeyError(MARKER)] * 1000])
    log.error("It failed", exc_info=group)
    [line] = lines(capsys)
    types = [each["type"] for each in line["exception"]]
    assert types[:3] == ["builtins.ExceptionGroup", "builtins.ValueError", "builtins.KeyError"]
    assert len(types) == 5
    assert MARKER not in json.dumps(line)


def test_a_warning_is_a_line(capsys: pytest.CaptureFixture[str]):
    configure_json_logging()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    [line] = lines(capsys)
    assert line["logger"] == "py.warnings"


def test_a_deep_exception_is_bounded(capsys: pytest.CaptureFixture[str]):
    configure_json_logging()

    def deeper(depth: int) -> None:
        if not depth:
            raise ValueError(MARKER)
        deeper(depth - 1)

    try:
        deeper(500)
    except ValueError:
        log.exception("It failed")
    [line] = lines(capsys)
    [found] = line["exception"]
    assert len(found["at"]) == 30
    assert found["at"][-1].endswith("deeper")


def test_a_record_within_a_span_names_it(capsys: pytest.CaptureFixture[str]):
    configure_json_logging()
    span = TracerProvider(shutdown_on_exit=False).get_tracer("tests").start_span("a span")
    with use_span(span):
        log.warning("inside")
    with use_span(INVALID_SPAN):
        log.warning("outside")
    inside, outside = lines(capsys)
    context = span.get_span_context()
    assert (inside["trace_id"], inside["span_id"]) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert "trace_id" not in outside


def test_the_access_log_has_no_query(capsys: pytest.CaptureFixture[str]):
    configure_json_logging()
    path = f"/mcp?key={MARKER}"
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "POST", path, "1.1", 200)
    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" 403', "127.0.0.1:1", path)
    access, other = lines(capsys)
    assert access["message"] == '127.0.0.1:1 - "POST /mcp HTTP/1.1" 200'
    assert other["message"] == '127.0.0.1:1 - "WebSocket /mcp" 403'


SERVED = f"""
import logging, socket, threading, urllib.request
import uvicorn
from incident_mcp.serving.telemetry import configure_json_logging
configure_json_logging()
async def app(scope, receive, send):
    if scope["path"] == "/fail":
        raise ValueError("{MARKER}")
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b""}})
server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
listener = socket.create_server(("127.0.0.1", 0))
thread = threading.Thread(target=server.run, args=([listener],))
thread.start()
for path in ("/x", "/fail"):
    address = f"http://127.0.0.1:{{listener.getsockname()[1]}}{{path}}?{MARKER}=1"
    request = urllib.request.Request(address, headers={{"Authorization": "Bearer {MARKER}"}})
    try:
        urllib.request.urlopen(request).close()
    except urllib.error.HTTPError as error:
        error.close()
server.should_exit = True
thread.join(10)
"""


def test_all_that_uvicorn_logs_is_json():
    done = run(sys.executable, "-c", SERVED)
    assert done.returncode == 0, done.stderr
    logged = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"GET /x HTTP/1.1", "GET /fail HTTP/1.1"} <= {
        part for line in logged if line["logger"] == "uvicorn.access" for part in line["message"].split('"')
    }
    [failure] = [line for line in logged if "exception" in line]
    assert failure["exception"][0]["type"] == "builtins.ValueError"
    assert MARKER not in done.stderr


def test_an_access_log_that_is_turned_off_stays_off(capsys: pytest.CaptureFixture[str]):
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False
    configure_json_logging()
    access.info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "POST", "/mcp", "1.1", 200)
    assert lines(capsys) == []


@pytest.mark.anyio
async def test_requests_to_the_services_are_not_logged(
    exported: Exported, observed: ConnectTo, capsys: pytest.CaptureFixture[str]
):
    configure_json_logging()
    async with observed(exported) as client:
        await client.call_tool("incidentio_list_incidents", {})
        await client.call_tool(MARKER, {MARKER: MARKER})
    assert exported.headers
    assert lines(capsys) == []


def test_a_message_that_cannot_be_made_is_still_a_line():
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError(MARKER)

    record = logging.LogRecord("tests", logging.ERROR, "", 0, "%s", (Broken(),), None)
    assert json.loads(JsonFormatter().format(record))["message"] == "%s (RuntimeError while formatting)"
