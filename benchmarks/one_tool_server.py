"""The smallest server on the same SDK: what every start is compared with."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("one-tool")


@server.tool()
def ping() -> str:
    """Answer pong."""
    return "pong"


if __name__ == "__main__":
    server.run("stdio")
