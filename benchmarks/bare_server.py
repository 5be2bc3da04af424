"""A bare tool on the same SDK: it makes the GETs that it is asked for, and returns what they answer, unread."""

import asyncio
import sys

import httpx2
from mcp.server.mcpserver import MCPServer

server = MCPServer("bare", log_level="WARNING")
client = httpx2.AsyncClient(base_url=sys.argv[1])


@server.tool()
async def get(path: str) -> str:
    """Return a path's JSON, which the service writes compactly."""
    return (await client.get(path)).text


@server.tool()
async def get_all(paths: list[str]) -> str:
    """Return the JSON of several paths, read at once."""
    return f"[{','.join(await asyncio.gather(*map(get, paths)))}]"


if __name__ == "__main__":
    server.run("stdio")
