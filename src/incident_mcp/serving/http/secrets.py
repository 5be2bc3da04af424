"""The secrets behind confirmation codes and request state, which can be replaced while the server runs."""

from collections.abc import Callable, Sequence
from functools import lru_cache

from mcp.server.mcpserver import AESGCMRequestStateCodec, RequestStateSecurity

from incident_mcp.writing.codes import CODE_SECONDS


class RotatingCodec:
    """Seals request state with the first of the present secrets, and opens what any of them sealed.

    Args:
        secrets: Returns the secrets.
    """

    def __init__(self, secrets: Callable[[], Sequence[bytes]]) -> None:
        self._secrets = secrets

    def seal(self, payload: bytes) -> str:
        """Return a token that protects a payload."""
        return _codec(tuple(self._secrets())).seal(payload)

    def unseal(self, token: str) -> bytes:
        """Reverse `seal`.

        Raises:
            InvalidRequestState: The token is not one of ours.
        """
        return _codec(tuple(self._secrets())).unseal(token)


@lru_cache(maxsize=4)
def _codec(secrets: tuple[bytes, ...]) -> AESGCMRequestStateCodec:
    return AESGCMRequestStateCodec(secrets)


def request_state_security(secrets: Callable[[], Sequence[bytes]]) -> RequestStateSecurity:
    """Return what seals the state of a question that is open: it is bound to the person, the call and the arguments."""
    return RequestStateSecurity(codec=RotatingCodec(secrets), ttl=CODE_SECONDS)
