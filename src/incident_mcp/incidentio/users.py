"""Users of the account: one list, which is read at most once in five minutes."""

from pydantic import AliasPath, Field

from incident_mcp.errors import RefusedError
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.records.record import Record
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

LIST = Operation("GET", "/v2/users", scope="users.view", page_size=10_000)
MAX_USERS = 10_000
CACHE_SECONDS = 300.0


class User(Record):
    """A user of the account."""

    id: str
    name: str | None = None
    email: str | None = None
    slack_user_id: str | None = None
    is_active: bool | None = None
    on_call_seat: str | None = Field(default=None, validation_alias=AliasPath("seats", "on_call"))
    """`full_access`, `viewer_only` or `none`: only `full_access` can be paged."""


async def read_users(api: Api, *, include_inactive: bool = False) -> Rows[User] | None:
    """Return the account's users; None if the key may not read them."""

    async def load() -> Rows[User] | None:
        query = [("include_inactive", "true")] if include_inactive else []
        try:
            return await read_rows(api, LIST.request(query), User, limit=MAX_USERS)
        except RefusedError as failure:
            if failure.status not in (403, 404):
                raise
            return None

    users, _ = await api.cached(f"users {include_inactive}", load, seconds=CACHE_SECONDS)
    return users
