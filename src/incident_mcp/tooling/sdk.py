"""The only module that imports below the public surface of the MCP SDK.

Public are the names that `mcp`, `mcp.server`, `mcp.server.mcpserver`, `mcp_types` and `mcp_types.version` export. The
server is the SDK's low-level `Server`: its handlers receive the request's context and return protocol types, so no part
of the SDK is subclassed or patched. tests/tooling/test_sdk.py explains what breaks when one of these parts changes.
"""

# What the streams of the public `Server.run` carry. Our own stdio reader fills them, because the SDK's drops lines that
# it cannot read without an answer; no public package exports the type.
from mcp.shared.message import SessionMessage

# Marks each frame of a `subscriptions/listen` stream with the request that opened it; no public package exports it.
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY

__all__ = ["SUBSCRIPTION_ID_META_KEY", "SessionMessage"]
