"""The only module of the team server that imports below the public surface of the MCP SDK.

tests/serving/http/test_sdk.py explains what breaks when one of these parts changes.
"""

# Makes `get_access_token()` work in handlers; no public package exports it.
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware, get_access_token

# What the SDK expects as `scope["user"]`: `RequestStateSecurity` binds a question to this user.
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser

# The principal of a request, as the SDK names it.
from mcp.server.auth.provider import AccessToken

# Switches the SDK's own check of Host and Origin off, which covers `/mcp` alone: `Guard` checks them for all routes.
from mcp.server.transport_security import TransportSecuritySettings

__all__ = ["AccessToken", "AuthContextMiddleware", "AuthenticatedUser", "TransportSecuritySettings", "get_access_token"]
