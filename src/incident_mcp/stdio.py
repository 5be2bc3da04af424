"""Serving MCP on stdio, and ending in time."""

import gc
import signal
import sys

import anyio

from incident_mcp.server import build_server
from incident_mcp.settings import Settings


def serve(settings: Settings) -> int:
    """Serve until stdin closes or a signal comes.

    Returns:
        0 after the end of stdin, 128 + the signal's number after a signal.
    """
    return anyio.run(_serve, settings)


async def _serve(settings: Settings) -> int:
    server = build_server(settings)
    gc.freeze()
    gc.enable()
    if sys.platform == "win32":
        await server.run_stdio_async()
        return 0
    ended_by = 0
    async with anyio.create_task_group() as tasks:

        async def end_on_signal() -> None:
            nonlocal ended_by
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for number in signals:
                    ended_by = 128 + number
                    tasks.cancel_scope.cancel()
                    return

        tasks.start_soon(end_on_signal)
        await server.run_stdio_async()
        tasks.cancel_scope.cancel()
    return ended_by
