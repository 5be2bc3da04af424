"""Sign-in with JWT access tokens of an identity provider."""

from dataclasses import dataclass

from incident_mcp.serving.http.sdk import AccessToken
from incident_mcp.serving.http.sign_in.problems import IdentityProviderDown


@dataclass(frozen=True)
class OidcSettings:
    """The identity provider, and what its tokens must say."""

    issuer: str
    audience: str
    jwks_url: str | None = None
    """None: the issuer's metadata names it."""
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    role_claim: str = "roles"
    """Dots walk nested objects."""


class JwtVerifier:
    """Decides on the identity provider's tokens."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings

    async def verify(self, token: str) -> AccessToken | None:
        """Return whose token it is, None if it is not valid."""
        del token
        raise IdentityProviderDown

    async def ready(self) -> str | None:
        """Return why tokens cannot be checked, None if they can."""
        return None

    async def close(self) -> None:
        """End what runs in the background."""
