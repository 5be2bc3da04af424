"""The roles of the team server, and which of them a token's claims carry."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

ROLES = ("reader", "responder", "pager")
"""From the lowest to the highest; each includes those before it."""
_PREFIXES = ("incident-mcp:", "incident-mcp.", "incident-mcp/")
_MAX_VALUES = 1_000
"""Values of a role claim that are read."""
_MAX_DEPTH = 8
"""Parts of the dotted path of a role claim."""


def scopes_of(role: str | None) -> list[str]:
    """Return a role and the roles that it includes; empty without a role."""
    return [] if role is None else list(ROLES[: ROLES.index(role) + 1])


def read_role(claims: Mapping[str, Any], claim: str) -> str | None:
    """Return the highest role in a claim, None if it names no role.

    Args:
        claims: The verified claims of a token.
        claim: Name of the claim; dots walk nested objects unless a claim, or an object on the way, has
            a name with dots.
    """
    found = {_bare(value) for value in _values(_find(claims, claim))}
    return next((role for role in reversed(ROLES) if role in found), None)


def _find(claims: Mapping[str, Any], claim: str) -> object:
    # A custom claim may have to be named like a URL, and a client within a claim often is: both contain dots.
    if claim in claims:
        return claims[claim]
    parts = claim.split(".", _MAX_DEPTH)
    for length in range(len(parts) - 1, 0, -1):
        inner = claims.get(".".join(parts[:length]))
        if isinstance(inner, Mapping):
            return _find(cast("Mapping[str, Any]", inner), claim.split(".", length)[length])
    return None


def _values(value: object) -> Iterator[str]:
    """Yield the names in a claim: a list of names, one name, or names separated by spaces as in OAuth's `scope`."""
    if isinstance(value, str):
        yield from value.split(maxsplit=_MAX_VALUES)[:_MAX_VALUES]
    elif isinstance(value, list):
        # A listed name is not split: the group "Pager duty reader" is none of our roles.
        yield from (each for each in cast("list[object]", value)[:_MAX_VALUES] if isinstance(each, str))


def _bare(name: str) -> str:
    return next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)
