"""The journal in Redis, shared by the replicas of a server.

Before a write is sent, every step needs Redis: without it nothing is sent, and reads go on. After it was sent, nothing
fails because of Redis: what could not be saved is saved later, and until then the row says that the outcome is unknown.
"""

import json
import math
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, NoReturn, cast

from incident_mcp.records.clock import unix_now
from incident_mcp.records.record import Json
from incident_mcp.serving.http.shared.connection import PREFIX, Connection, RedisAwayError, key_of
from incident_mcp.serving.http.shared.locks import RedisLocks, held_leases
from incident_mcp.serving.http.shared.scripts import BEGIN, FIND, FIND_BY_KEY, PREPARE, SAVE, UNDO, USE_CODE
from incident_mcp.serving.http.shared.unsaved import Change, Unsaved
from incident_mcp.writing.codes import age_of, rejection
from incident_mcp.writing.journal.entry import AHEAD_SECONDS, KEPT_SECONDS, Changes, Entry
from incident_mcp.writing.journal.protocol import Lookup, PendingWrite
from incident_mcp.writing.limits import WINDOW_SECONDS, WriteLimit
from incident_mcp.writing.outcome import WriteError

LOST_SECONDS = 900.0
"""For how long after Redis started what was written before counts as unknown: longer than any repeat is recognised."""
_LAST_WRITES_KEPT_SECONDS = 86_400
_CODES_KEPT_SECONDS = 86_400
_CLOCK_SLACK_SECONDS = 2.0
"""A code says when it was issued in whole seconds, by the clock of the replica that issued it."""
_LOST_LOCK = (
    "The lock that keeps identical calls apart was lost: this server was paused, or the shared journal (Redis) was"
    " restarted. Call again."
)


@dataclass
class SharedWrite(PendingWrite):
    """A write in progress, recorded in Redis."""

    owner: str = ""
    """A random ID: only this attempt changes what it saved."""
    targets: tuple[str, ...] = ()
    count: str = ""
    """The key under which the write counts towards a limit."""


class RedisJournal:
    """Implements `Journal` for all replicas.

    Args:
        connection: The connection to Redis.
        locks: The locks of this process.
        unsaved: What this process could not save yet.
        person: Whose writes count towards the limits; empty: everybody's together.
    """

    consequence = "a repeat of this call looks up what it did."

    def __init__(self, connection: Connection, locks: RedisLocks, unsaved: Unsaved, person: str = "") -> None:
        self.unreadable: str | None = None
        self.lost = False
        self._connection = connection
        self._locks = locks
        self._unsaved = unsaved
        self._person = person

    @property
    def trouble(self) -> str | None:
        """Why the last change could not be saved."""
        return self._unsaved.trouble

    async def find(self, intent: str, asked_at: float = math.inf) -> Lookup:
        """Return what is known of an intent; writes after `asked_at` do not supersede it.

        Raises:
            WriteError: Redis cannot be reached.
        """
        now, since, row, touches = await self._run_before(FIND, [_row(intent), _EPOCH])
        self.lost = since is None or float(now) - float(since) < LOST_SECONDS
        # What is read is in the clock of this machine.
        ahead = float(now) - unix_now()
        self.unreadable = None
        try:
            entry = _entry(row, ahead)
            others = [float(at) - ahead for member, at in _pairs(touches) if member.partition(":")[2] != intent]
        except (ValueError, TypeError, KeyError, RecursionError):
            self.unreadable, self.lost = "A row of the shared journal (Redis) cannot be read", True
            return Lookup(None)
        return Lookup(entry, entry is not None and any(entry.changed_at < at < asked_at for at in others))

    async def find_by_key(self, account: str, key: str) -> list[Entry]:
        """Return the writes that were made with a caller's idempotency key.

        Raises:
            WriteError: Redis cannot be reached.
        """
        now, rows = await self._run_before(FIND_BY_KEY, [_index(account, key)])
        ahead = float(now) - unix_now()
        try:
            entries = [entry for row in rows if (entry := _entry(row, ahead))]
        except (ValueError, TypeError, KeyError, RecursionError):
            self.unreadable = "A row of the shared journal (Redis) cannot be read"
            return []
        return [entry for entry in entries if (entry.account, entry.key) == (account, key)]

    async def begin(self, entry: Entry, *, limit: WriteLimit | None = None, remember: bool = True) -> PendingWrite:
        """Record that a write is about to be sent, and count it.

        Raises:
            WriteLimitError: There were too many writes in the last ten minutes.
            WriteError: Redis cannot be reached, or a lock of this task was lost.
        """
        now = unix_now()
        count = key_of("count", self._person, limit.kind) if limit else _NONE
        write = SharedWrite(
            entry.intent, entry if remember else None, Changes(), secrets.token_hex(12), entry.targets, count
        )
        keys = [_row(entry.intent), _EPOCH, _index(entry.account, entry.key), count, _undone(write)]
        arguments = [
            *(write.owner, _dump(entry) if remember else "", now - entry.changed_at, entry.settles_at - now),
            *(_targets(entry.targets), _member(write), limit.maximum if limit else -1, WINDOW_SECONDS, AHEAD_SECONDS),
            *(KEPT_SECONDS, _LAST_WRITES_KEPT_SECONDS),
            json.dumps([(lease.key, lease.token) for lease in held_leases()]),
        ]
        if not self.holds_locks():
            raise WriteError.not_sent(_LOST_LOCK)
        try:
            answer = await self._run(BEGIN, keys, arguments)
        except RedisAwayError as error:
            # It may have been recorded, or will be when Redis goes on.
            self._unsaved.keep(_undo(write, uncertain=True))
            raise _not_sent(error) from None
        match answer:
            case ["ok", version]:
                write.entry = replace(entry, version=int(version)) if remember else None
                return write
            case ["limit", found, free_in] if limit is not None:
                raise limit.error(int(found), float(free_in))
            case _:
                # A first run, whose answer was lost, may have recorded it.
                self._unsaved.keep(_undo(write, uncertain=False))
                raise WriteError.not_sent(_LOST_LOCK)

    async def change_key(self, write: PendingWrite, key: str) -> None:
        """Record that the write is sent with another key, before that.

        Raises:
            WriteError: Redis cannot be reached. Nothing took effect yet, so nothing more is sent: an attempt under a
                key that nobody knows could not be looked up.
        """
        if write.entry is None:
            return
        entry = replace(write.entry, key=key, version=write.entry.version + 1)
        change = _save(write, entry, "key")
        await self._run_before(change.script, change.keys, change.arguments(0))
        write.entry = entry

    async def mark_done(self, write: PendingWrite, record: Json, targets: Sequence[str] = ()) -> None:
        """Record that the write took effect, with the tool's record and further targets."""
        shared = _shared(write)
        shared.targets = tuple(dict.fromkeys((*shared.targets, *targets)))
        entry = write.entry
        if entry is not None:
            entry = write.entry = replace(
                entry, state="done", record=record, targets=shared.targets, version=entry.version + 1
            )
        await self._unsaved.save(_save(write, entry, "done"))

    async def mark_unknown(self, write: PendingWrite, *, unsettled_seconds: float) -> None:
        """Record that the write was sent without a usable response, and for how long it may still take effect."""
        if write.entry is not None:
            entry = write.entry = replace(write.entry, state="unknown", record=None, version=write.entry.version + 1)
            await self._unsaved.save(_save(write, entry, "unknown", settles_in=unsettled_seconds))

    async def undo(self, write: PendingWrite) -> None:
        """Undo a write that did not take effect; what was known before stays known."""
        await self._unsaved.save(_undo(_shared(write), uncertain=False))

    async def use_code(self, code: str) -> bool:
        """Record that a confirmation code is used; return whether it was unused, over all replicas.

        Raises:
            InputError: Redis was restarted since the preview, so it is unknown whether the code was used.
            WriteError: Redis cannot be reached.
        """
        try:
            age: float | str = age_of(code)
        except ValueError:
            age = ""
        arguments = [secrets.token_hex(12), age, _CLOCK_SLACK_SECONDS, _CODES_KEPT_SECONDS]
        try:
            answer = await self._run(USE_CODE, [key_of("code", code), _EPOCH], arguments)
        except RedisAwayError as error:
            raise _not_sent(
                error, "then call without confirm for a new preview, since the code may be used up"
            ) from None
        if answer == "lost":
            raise rejection("is of a time before the shared journal (Redis) was restarted, so it may have been used")
        return answer == "unused"

    async def prepare_codes(self) -> None:
        """Check that used codes can be saved.

        Raises:
            WriteError: Redis cannot be reached.
        """
        await self._run_before(PREPARE, [_EPOCH, PROBED])

    @asynccontextmanager
    async def lock(self, name: str, deadline: float) -> AsyncGenerator[bool]:
        """Exclude other tasks, of all replicas, and yield whether that succeeded before the deadline.

        Raises:
            WriteError: Redis cannot be reached.
        """
        try:
            async with self._locks.hold(name, deadline) as acquired:
                yield acquired
        except RedisAwayError as error:
            raise _not_sent(error) from None

    def holds_locks(self) -> bool:
        """Return whether all locks of this task are still held."""
        return all(lease.held for lease in held_leases())

    def close(self) -> None:
        """Do nothing: the connection is the server's."""

    async def _run(self, script: str, keys: Sequence[str], arguments: Sequence[str | float] = ()) -> Any:  # noqa: ANN401  # what the script returns
        """Run a script after everything that was not saved yet."""
        await self._unsaved.flush()
        return await self._connection.run(script, keys, arguments)

    async def _run_before(self, script: str, keys: Sequence[str], arguments: Sequence[str | float] = ()) -> Any:  # noqa: ANN401  # what the script returns
        """Run a script before a write is sent.

        Raises:
            WriteError: Redis cannot be reached.
        """
        try:
            return await self._run(script, keys, arguments)
        except RedisAwayError as error:
            raise _not_sent(error) from None


_EPOCH = key_of("epoch")
PROBED = key_of("probe")
_NONE = f"{PREFIX}none"
"""Where a script needs no key: an ACL may allow only our names."""


def _not_sent(error: RedisAwayError, more: str = "") -> WriteError:
    return WriteError.not_sent(
        f"The shared journal (Redis) cannot be {error.verb} ({error}), so writes are not sent. Reads work. Call again"
        f" later{f', {more}' if more else ''}."
    )


def _row(intent: str) -> str:
    return key_of("write", intent)


def _index(account: str, key: str) -> str:
    return key_of("key", account, key)


def _undone(write: SharedWrite) -> str:
    return key_of("undone", write.owner)


def _targets(targets: Sequence[str]) -> str:
    return json.dumps([key_of("target", target) for target in targets])


def _member(write: SharedWrite) -> str:
    return f"{write.owner}:{write.intent}"


def _shared(write: PendingWrite) -> SharedWrite:
    if not isinstance(write, SharedWrite):
        _wrong_journal(write)
    return write


def _wrong_journal(write: PendingWrite) -> NoReturn:
    raise TypeError(f"The write {write.intent} was begun in another journal.")


def _save(write: PendingWrite, entry: Entry | None, kind: str, *, settles_in: float = 0) -> Change:
    shared = _shared(write)
    kept = _dump(entry) if entry else ""
    targets, member = _targets(shared.targets), _member(shared)
    version = entry.version if entry else 0
    keys = [_row(write.intent), _index(entry.account, entry.key) if entry else _NONE]
    return Change(
        SAVE,
        keys,
        lambda ago: [
            *(shared.owner, kept, version, ago, settles_in, targets, member),
            *(KEPT_SECONDS, _LAST_WRITES_KEPT_SECONDS, kind),
        ],
    )


def _undo(write: SharedWrite, *, uncertain: bool) -> Change:
    arguments = [write.owner, _targets(write.targets), _member(write), int(uncertain), _LAST_WRITES_KEPT_SECONDS]
    return Change(UNDO, [_row(write.intent), write.count, _undone(write)], lambda _: arguments)


def _dump(entry: Entry) -> str:
    """Return an entry as JSON, without what the scripts change."""
    return json.dumps(
        {
            "intent": entry.intent,
            "tool": entry.tool,
            "account": entry.account,
            "key": entry.key,
            "state": entry.state,
            "record": entry.record,
            "started_at": entry.started_at,
            "existing_ids": entry.existing_ids,
            "targets": entry.targets,
            "person": entry.person,
        }
    )


def _entry(row: Sequence[str | None], ahead: float) -> Entry | None:
    """Return the entry of a row, None if there is no row.

    Args:
        row: What is stored.
        ahead: Seconds by which the clock of Redis is ahead of this machine's.

    Raises:
        ValueError: It is not a row.
    """
    text, version, changed, settles = row
    if text is None:
        return None
    content: object = json.loads(text)
    if not isinstance(content, dict):
        raise TypeError("not an object")
    values = cast("Mapping[str, Any]", content)
    existing = values["existing_ids"]
    record: object = values["record"]
    return Entry(
        *(str(values[name]) for name in ("intent", "tool", "account", "key", "state")),
        record=cast("Json", record) if isinstance(record, dict) else None,
        changed_at=_finite(changed) - ahead,
        settles_at=_finite(settles) - ahead,
        version=int(version or ""),
        started_at=float(values["started_at"]),
        existing_ids=None if existing is None else tuple(map(str, existing)),
        targets=tuple(map(str, values["targets"])),
        person=str(values.get("person", "")),
    )


def _finite(text: str | None) -> float:
    if not math.isfinite(number := float(text or "")):
        raise ValueError("not a time")
    return number


def _pairs(flat: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(flat[::2], flat[1::2], strict=True))
