"""The public keys of an identity provider (RFC 7517), as far as they verify signatures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import jwt

TYPES = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""The algorithms that can be allowed, all asymmetric, and the type and curve of their keys."""
MAX_KEYS = 100
MAX_KID = 256
MAX_SAME = 4
"""Keys with one ID that are tried for a token."""
_PUBLIC = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
"""What is read of a key, by type. A private part that was published by mistake is left out."""
_MAX_MEMBER = 1_400
"""Characters: an RSA key of 8192 bits. Verifying with a longer one would take long."""
_MAX_EXPONENT = 8


@dataclass(frozen=True)
class VerificationKey:
    """A key for one algorithm."""

    kid: str | None
    algorithm: str
    key: jwt.PyJWK


def read_keys(document: object, algorithms: Sequence[str]) -> tuple[VerificationKey, ...]:
    """Return the keys of a JWKS that verify signatures, once for each algorithm that fits; unusable ones are left out.

    Args:
        document: The JWKS.
        algorithms: The algorithms that are allowed.
    """
    rows = cast("dict[str, object]", document).get("keys") if isinstance(document, dict) else None
    found: list[VerificationKey] = []
    for row in cast("list[object]", rows)[:MAX_KEYS] if isinstance(rows, list) else []:
        if isinstance(row, dict):
            found += _read_key(cast("dict[str, object]", row), algorithms)
    return tuple(found)


def find_keys(keys: Sequence[VerificationKey], kid: str | None, algorithm: str) -> tuple[VerificationKey, ...]:
    """Return the keys that a token names, or the only one for the algorithm if it names none.

    An old and a new key should have different IDs, but some identity providers give every key the same one.
    """
    fitting = tuple(key for key in keys if key.algorithm == algorithm and kid in (None, key.kid))
    return fitting[:MAX_SAME] if kid is not None or len(fitting) == 1 else ()


def _read_key(row: dict[str, object], algorithms: Sequence[str]) -> list[VerificationKey]:
    kid, own = row.get("kid"), row.get("alg")
    if row.get("use", "sig") != "sig" or not _verifies(row.get("key_ops", ["verify"])):
        return []
    if not (kid is None or (isinstance(kid, str) and len(kid) <= MAX_KID)):
        return []
    public = _public_part(row)
    if public is None:
        return []
    fitting = [name for name in algorithms if TYPES[name] == (public["kty"], public.get("crv")) and own in (None, name)]
    found: list[VerificationKey] = []
    for name in fitting:
        try:
            found.append(VerificationKey(kid, name, jwt.PyJWK(dict(public), name)))
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
    return found


def _verifies(operations: object) -> bool:
    return isinstance(operations, list) and "verify" in cast("list[object]", operations)


def _public_part(row: dict[str, object]) -> dict[str, str] | None:
    kind = row.get("kty")
    if not isinstance(kind, str) or kind not in _PUBLIC:
        return None
    public = {"kty": kind}
    for name in _PUBLIC[kind]:
        value = row.get(name)
        if not isinstance(value, str) or len(value) > (_MAX_EXPONENT if name == "e" else _MAX_MEMBER):
            return None
        public[name] = value
    return public
