"""Signatures of webhooks, as Standard Webhooks defines them: incident.io sends its webhooks through Svix.

A webhook has an ID, a time and one or more signatures: `v1,` and the base64 of the HMAC-SHA256 of `id.time.body`. The
secret is base64 after `whsec_`. While a secret is replaced there are two signatures, or two secrets here, or both.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import SecretStr

from incident_mcp.errors import SettingError

VARIABLE = "INCIDENT_MCP_WEBHOOK_SECRET"
FILE_VARIABLE = "INCIDENT_MCP_WEBHOOK_SECRET_FILE"
TOLERANCE = 300
"""Seconds by which the time of a webhook may differ from ours."""
_PREFIX = "whsec_"
_LEAST_BYTES = 16
_MAX_SECRETS = 10
_MAX_SIGNATURES = 20
_NAMES = ("webhook", "svix")
"""Beginnings of the headers: the standard's, and the older ones of Svix."""
_ID = re.compile(r"[\x21-\x7e]{1,256}")
_TIME = re.compile(r"[0-9]{1,12}")


class RejectedError(Exception):
    """A webhook is not what the sender signed, or not signed now; the text holds nothing of it."""


@dataclass(frozen=True)
class Stamp:
    """What the headers of a webhook say."""

    id: str
    time: str
    signatures: Sequence[str]

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self:
        """Read the headers.

        Raises:
            RejectedError: They are missing or malformed.
        """
        for name in _NAMES:
            found = [headers.get(f"{name}-{part}", "") for part in ("id", "timestamp", "signature")]
            if any(found):
                break
        else:
            raise RejectedError("it has no signature")
        number, time, signatures = found
        if not (_ID.fullmatch(number) and _TIME.fullmatch(time) and signatures):
            raise RejectedError("a header is missing or malformed")
        return cls(number, time, signatures.split(" ")[:_MAX_SIGNATURES])

    @property
    def at(self) -> int:
        """When it was signed, in Unix seconds."""
        return int(self.time)


class Signatures:
    """Checks signatures.

    Args:
        secrets: The endpoint's signing secrets; any of them may have signed.
        variable: The setting that they come from, for errors.

    Raises:
        SettingError: There is none, or one cannot be used.
    """

    def __init__(self, secrets: Sequence[SecretStr], variable: str = VARIABLE) -> None:
        if not 0 < len(secrets) <= _MAX_SECRETS:
            raise SettingError(f"{variable} takes 1 to {_MAX_SECRETS} secrets, separated by commas.")
        self._keys = [_key(secret.get_secret_value(), variable) for secret in secrets]

    @classmethod
    def from_text(cls, text: str, variable: str = VARIABLE) -> Self:
        """Read the secrets of a setting: one or more, separated by commas or lines."""
        parts = text.replace("\n", ",").split(",")
        return cls([SecretStr(part.strip()) for part in parts if part.strip()], variable)

    @classmethod
    def from_file(cls, text: str) -> Self:
        """Read the secrets of the file that a setting names."""
        return cls.from_text(text, FILE_VARIABLE)

    def check_time(self, stamp: Stamp, now: float) -> None:
        """Check that a webhook was signed now.

        Raises:
            RejectedError: It was signed too long ago, or will be.
        """
        if abs(now - stamp.at) > TOLERANCE:
            raise RejectedError(f"its time differs by more than {TOLERANCE // 60} minutes: check this machine's clock")

    def check(self, stamp: Stamp, body: bytes) -> None:
        """Check that the body is what the sender signed.

        Raises:
            RejectedError: No signature fits any secret.
        """
        signed = f"{stamp.id}.{stamp.time}.".encode() + body
        fits = False
        for key in self._keys:
            expected = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
            for signature in stamp.signatures:
                fits |= hmac.compare_digest(expected, signature.encode(errors="replace"))
        if not fits:
            raise RejectedError("no signature fits a secret")


def _key(secret: str, variable: str) -> bytes:
    """Return the key of a secret; errors do not repeat it."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < _LEAST_BYTES:
        raise SettingError(
            f"{variable} is not a signing secret: copy it from the endpoint's page in incident.io (Settings >"
            f" Webhooks). It begins with {_PREFIX}."
        )
    return key
