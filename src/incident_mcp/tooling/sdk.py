"""The only module that imports below the public surface of the MCP SDK.

Public are the names that `mcp`, `mcp.server`, `mcp.server.mcpserver`, `mcp_types` and `mcp_types.version` export. The
server is the SDK's low-level `Server`: its handlers receive the request's context and return protocol types, so no part
of the SDK is subclassed or patched. tests/tooling/test_sdk.py explains what breaks when one of these parts changes.
"""

# Serves `subscriptions/listen`, which hosts of 2026-07-28 open to learn of changed lists. `MCPServer` serves it by
# default; for `Server` the handler has to be passed, and no public package exports it.
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler

# What the streams of the public `Server.run` carry. Our own stdio reader fills them, because the SDK's drops lines that
# it cannot read without an answer; no public package exports the type.
from mcp.shared.message import SessionMessage

__all__ = ["InMemorySubscriptionBus", "ListenHandler", "SessionMessage"]
