"""Calls a tool in processes that are killed at a line of ours, then again in one that is not.

Reads trials as JSON lines from stdin, writes a JSON line for each: whether the first process was killed, and what the
second one's answer was. A process of its own, since it forks.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import anyio
from mcp import Client
from pydantic import SecretStr

from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.transport.service import Limits

TRACED = (
    "writing/perform.py",
    "writing/journaled.py",
    "writing/history.py",
    "writing/notes.py",
    "writing/safety.py",
    "writing/plan.py",
    "writing/outcome.py",
    "writing/sending.py",
    "writing/intents.py",
    "writing/codes.py",
    "writing/confirm.py",
    "writing/audit.py",
    "writing/journal/entry.py",
    "writing/journal/locks.py",
    "writing/journal/memory.py",
    "writing/journal/sqlite.py",
    "writing/journal/file.py",
    "writing/journal/database.py",
    "writing/journal/folder.py",
    "transport/api.py",
)
BRIEF = Limits(attempt=0.5, call=10, backoff=0.01)


def settings(trial: dict[str, Any]) -> Settings:
    return Settings(
        incidentio_key=SecretStr(trial["INCIDENTIO_API_KEY"]),
        incidentio_url=trial["INCIDENTIO_API_URL"],
        ionhour_key=SecretStr(trial["IONHOUR_API_KEY"]),
        ionhour_url=trial["IONHOUR_API_URL"],
        state_dir=Path(trial["state"]),
        toolsets=("all",),
        max_declares=0,
        max_writes=0,
    )


async def call(trial: dict[str, Any], line: int | None) -> dict[str, Any]:
    async with Client(build_server(settings(trial), limits=BRIEF), mode="legacy") as client:
        if line is not None:
            kill_at(line)
        arguments = trial["arguments"]
        result = await client.call_tool(trial["tool"], arguments)
        if code := (result.structured_content or {}).get("confirm"):
            # The first of two calls: the second one writes.
            result = await client.call_tool(trial["tool"], arguments | {"confirm": code})
        return result.model_dump(mode="json")


def kill_at(line: int) -> None:
    """Kill this process when so many lines of ours were run; 0 counts them."""
    count = 0
    lock = threading.Lock()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.endswith(TRACED):
            return None
        if event == "line":
            with lock:
                count += 1
            if count == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    kill_at.count = lambda: count  # type: ignore[attr-defined]
    threading.settrace(trace)
    sys.settrace(trace)


def run(trial: dict[str, Any], line: int | None) -> tuple[bool, Any]:
    """Run a call in a child; return whether it was killed, and its answer."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        answer: Any = anyio.run(call, trial, line)
        if line is not None:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            answer = {"lines": kill_at.count()}  # type: ignore[attr-defined]
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status), json.loads(answer) if answer else None


def main() -> None:
    for line in sys.stdin:
        trial = json.loads(line)
        killed, counted = run(trial, trial["line"])
        _, answer = (False, None) if trial["line"] == 0 else run(trial, None)
        print(json.dumps({"killed": killed, "lines": (counted or {}).get("lines"), "answer": answer}), flush=True)


if __name__ == "__main__":
    main()
