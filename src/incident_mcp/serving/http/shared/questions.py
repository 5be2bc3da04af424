"""Questions that await a person's answer, shared by the replicas: the answer may reach another one."""

import secrets

from incident_mcp.errors import NotConfirmedError
from incident_mcp.serving.http.shared.connection import Connection, RedisAwayError, key_of
from incident_mcp.serving.http.shared.scripts import POP, PUT_ALL
from incident_mcp.writing.confirm import KEPT_SECONDS, MAX_OPEN


class RedisQuestions:
    """Implements `Questions` for one person.

    Args:
        connection: The connection to Redis.
        person: Who it is.
    """

    def __init__(self, connection: Connection, person: str) -> None:
        self._connection = connection
        self._keys = [key_of("questions", person), key_of("questions at", person)]

    async def ask(self, request: str) -> str:
        """Open a question and return its nonce.

        Raises:
            NotConfirmedError: Redis cannot be reached.
        """
        nonce = secrets.token_urlsafe(16)
        try:
            await self._connection.run(PUT_ALL, self._keys, [MAX_OPEN, KEPT_SECONDS, nonce, request])
        except RedisAwayError as error:
            raise _not_confirmed(error) from None
        return nonce

    async def close(self, nonce: str, request: str) -> bool:
        """Close a question, and return whether it was open and is about this request.

        Raises:
            NotConfirmedError: Redis cannot be reached.
        """
        try:
            # Longer ones are not ours; a lone surrogate cannot be looked up.
            name = nonce[:64].encode(errors="replace").decode()
            found = await self._connection.run(POP, self._keys, [name, KEPT_SECONDS])
        except RedisAwayError as error:
            raise _not_confirmed(error) from None
        return found == request


def _not_confirmed(error: RedisAwayError) -> NotConfirmedError:
    return NotConfirmedError(
        f"This write needs confirmation by a human, and the server's shared store (Redis) for open questions cannot be"
        f" reached ({error}). Reads work. Call again later. Not sent."
    )
