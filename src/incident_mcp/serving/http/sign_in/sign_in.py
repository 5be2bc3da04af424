"""Who a token belongs to: a static token of the file, or a JWT of the identity provider."""

from pathlib import Path

from incident_mcp.serving.http.sdk import AccessToken
from incident_mcp.serving.http.sign_in.oidc import JwtVerifier, OidcSettings
from incident_mcp.serving.http.sign_in.static_tokens import StaticTokens
from incident_mcp.serving.http.sign_in.token_file import PREFIX


class SignIn:
    """Decides on tokens.

    Args:
        tokens: The static tokens; None without a file.
        jwt: Decides on the identity provider's tokens; None without one.
    """

    def __init__(self, tokens: StaticTokens | None, jwt: JwtVerifier | None) -> None:
        self._tokens = tokens
        self._jwt = jwt

    @classmethod
    def from_settings(cls, tokens_file: Path | None, oidc: OidcSettings | None) -> "SignIn":
        """Return what the settings ask for.

        Raises:
            SettingError: A setting cannot be used.
        """
        return cls(StaticTokens(tokens_file) if tokens_file else None, JwtVerifier(oidc) if oidc else None)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return whose token it is, None if it is not valid.

        Raises:
            IdentityProviderDown: It cannot be decided now.
        """
        if token.startswith(PREFIX):
            return await self._tokens.verify(token) if self._tokens else None
        return await self._jwt.verify(token) if self._jwt else None

    async def ready(self) -> str | None:
        """Return why tokens cannot be checked, None if they can."""
        found = [await each.ready() for each in (self._tokens, self._jwt) if each]
        return "; ".join(filter(None, found)) or None

    async def close(self) -> None:
        """End what runs in the background."""
        if self._jwt:
            await self._jwt.close()
