"""Serving MCP on stdio, and ending in time."""

import gc
import os
import signal
import sys

import anyio

from incident_mcp.server import build_server
from incident_mcp.settings import Settings

CLOSING_SECONDS = 0.8


def serve(settings: Settings) -> int:
    """Serve until stdin closes or a signal comes.

    Returns:
        0 after the end of stdin; a signal ends the process with 128 + its number.
    """
    return anyio.run(_serve, settings)


async def _serve(settings: Settings) -> int:
    closed = anyio.Event()
    server = build_server(settings, closed=closed.set)
    gc.freeze()
    gc.enable()
    if sys.platform == "win32":
        await server.run_stdio_async()
        return 0
    async with anyio.create_task_group() as tasks:

        async def end_on_signal() -> None:
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for number in signals:
                    tasks.cancel_scope.cancel()
                    with anyio.move_on_after(CLOSING_SECONDS, shield=True):
                        await closed.wait()
                    # The SDK reads stdin in a thread that would keep the process until one more line comes.
                    os._exit(128 + number)

        tasks.start_soon(end_on_signal)
        await server.run_stdio_async()
        tasks.cancel_scope.cancel()
    return 0
