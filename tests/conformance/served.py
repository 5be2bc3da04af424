"""Serve incident-mcp on its sandbox over Streamable HTTP on a loopback port, until standard input ends."""

import socket
import sys
import tempfile
import threading
from pathlib import Path

import uvicorn

from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings


class _Server(uvicorn.Server):
    """Says where it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(f"http://127.0.0.1:{port}/mcp", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as state:
        settings = Settings(sandbox=True, state_dir=Path(state))
        app = build_server(settings, network=Sandbox()).streamable_http_app()
        server = _Server(
            uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1)
        )

        def leave_at_end_of_input() -> None:
            sys.stdin.buffer.read()
            server.should_exit = True

        threading.Thread(target=leave_at_end_of_input, daemon=True).start()
        server.run()


if __name__ == "__main__":
    main()
