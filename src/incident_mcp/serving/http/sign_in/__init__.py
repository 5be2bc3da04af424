"""Sign-in: static tokens, the identity provider's JWTs, and the challenge for those without either."""

from incident_mcp.serving.http.sign_in.challenge import metadata_route, require_sign_in
from incident_mcp.serving.http.sign_in.oidc import OidcSettings
from incident_mcp.serving.http.sign_in.problems import IdentityProviderDown
from incident_mcp.serving.http.sign_in.roles import ROLES, scopes_of
from incident_mcp.serving.http.sign_in.sign_in import SignIn

__all__ = [
    "ROLES",
    "IdentityProviderDown",
    "OidcSettings",
    "SignIn",
    "metadata_route",
    "require_sign_in",
    "scopes_of",
]
