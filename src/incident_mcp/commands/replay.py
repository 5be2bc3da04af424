"""`incident-mcp replay`: a server that answers from a recording, or a check that it answers as recorded."""

from functools import partial
from pathlib import Path

import anyio
from mcp import Client

from incident_mcp.commands.console import complain, put
from incident_mcp.records.record import shorten
from incident_mcp.records.text import one_line
from incident_mcp.serving.recording import text_of
from incident_mcp.serving.replay import build_replay_server, recorded_text
from incident_mcp.serving.stdio import serve
from incident_mcp.settings import Settings
from incident_mcp.transport.recording.lines import Recording, RecordingError, read_recording

_SHOWN = 1_000
"""Characters of an answer that differs."""


def replay(path: Path, *, check: bool) -> int:
    """Serve a recording on stdio, or compare the answers of its calls with the recorded ones.

    Returns:
        0; 1 if an answer differs; 2 if the file is not a recording.
    """
    try:
        recording = read_recording(path)
    except (OSError, RecordingError) as error:
        complain(f"incident-mcp replay: {path}: {error}")
        return 2
    if check:
        return anyio.run(_check, recording)
    return serve(Settings(), partial(build_replay_server, recording))


async def _check(recording: Recording) -> int:
    """Call every recorded tool again, in order, and print whether its answer is the same."""
    different = 0
    async with Client(build_replay_server(recording)) as client:
        for number, call in enumerate(recording.calls, 1):
            answer = text_of(await client.call_tool(call.called.tool, call.called.arguments))
            recorded = recorded_text(call)
            verdict = "not recorded" if recorded is None else "same" if answer == recorded else "different"
            put(f"{number} {shorten(one_line(call.called.tool), 60)}: {verdict}")
            if verdict == "different":
                different += 1
                put(f"  recorded: {_from_difference(recorded or '', answer)}")
                put(f"  replayed: {_from_difference(answer, recorded or '')}")
    for note in recording.notes:
        put(note)
    put(f"{len(recording.calls)} calls, {different} answered differently.")
    return 1 if different else 0


def _from_difference(text: str, other: str) -> str:
    """Return a text from shortly before the place where it differs from another one."""
    place = next((i for i, (one, two) in enumerate(zip(text, other, strict=False)) if one != two), len(other))
    return shorten(one_line(text[max(place - 60, 0) :]), _SHOWN)
