"""A bare tool on the same SDK over Streamable HTTP: it makes one GET and returns the answer, unread.

Run with the services' address and a port.
"""

import sys

import httpx2
import uvicorn
from mcp.server.mcpserver import MCPServer

server = MCPServer("bare", log_level="WARNING")
client = httpx2.AsyncClient(base_url=sys.argv[1])


@server.tool()
async def get(path: str) -> str:
    """Return a path's JSON, which the service writes compactly."""
    return (await client.get(path)).text


if __name__ == "__main__":
    app = server.streamable_http_app(stateless_http=True)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False, lifespan="on")
