"""Confirmation codes: bound to a request, a caller and a secret, for ten minutes, and used once among all processes."""

import base64
import os
import re
import stat
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_mcp.errors import InputError
from incident_mcp.writing.codes import CODE_SECONDS, SECRET_BYTES, ConfirmationCodes, secret_in
from incident_mcp.writing.journal.protocol import JournalError
from incident_mcp.writing.journal.sqlite import SqliteJournal
from incident_mcp.writing.outcome import WriteError
from tests.spawned import ROOT, run

pytestmark = pytest.mark.anyio
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and links")
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def codes(secret: bytes = b"1" * SECRET_BYTES, caller: str = "") -> ConfirmationCodes:
    return ConfirmationCodes(lambda: [secret], caller)


async def test_a_code_is_short_plain_and_never_the_same() -> None:
    issued = {await codes().issue("request") for _ in range(50)}
    assert len(issued) == 50
    assert all(re.fullmatch("[a-z2-7]{40}", code) for code in issued)


async def test_a_code_is_accepted_as_people_and_models_copy_it_and_has_one_id() -> None:
    code = await codes().issue("request")
    assert len({await codes().check(form, "request") for form in (code, code.upper(), f" {code}\n")}) == 1
    assert await codes().check(code, "request") != await codes().check(await codes().issue("request"), "request")


@pytest.mark.parametrize(
    ("checked", "request_"),
    [
        (codes(), "another request"),
        (codes(b"2" * SECRET_BYTES), "request"),
        (codes(caller="somebody else"), "request"),
    ],
    ids=["request", "secret", "caller"],
)
async def test_a_code_of_another_request_secret_or_caller_is_rejected(
    checked: ConfirmationCodes, request_: str
) -> None:
    code = await codes().issue("request")
    with pytest.raises(InputError, match=r"is not of a preview of this call.*Not sent\. Call without confirm"):
        await checked.check(code, request_)


@given(st.data())
async def test_a_changed_code_is_rejected(data: st.DataObject) -> None:
    code = await codes().issue("request")
    at = data.draw(st.integers(0, len(code) - 1))
    letter = data.draw(st.sampled_from([letter for letter in ALPHABET if letter != code[at]]))
    with pytest.raises(InputError, match="Not sent"):
        await codes().check(code[:at] + letter + code[at + 1 :], "request")


@given(st.text(max_size=60))
async def test_what_is_no_code_is_rejected_and_not_repeated(text: str) -> None:
    with pytest.raises(InputError) as rejected:
        await codes().check(text, "request")
    assert str(rejected.value).isprintable()
    assert str(rejected.value).isascii()


@pytest.mark.parametrize(
    ("seconds", "valid"),
    [(0, True), (CODE_SECONDS - 5, True), (CODE_SECONDS + 2, False), (86_400, False), (-2, True), (-60, False)],
)
async def test_a_code_is_valid_for_ten_minutes_and_not_after_the_clock_was_set_back(
    seconds: float, valid: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = await codes().issue("request")
    later = time.time() + seconds
    monkeypatch.setattr(time, "time", lambda: later)
    if valid:
        await codes().check(code, "request")
    else:
        with pytest.raises(InputError, match="has expired: it is valid for 10 minutes"):
            await codes().check(code, "request")


async def test_the_time_in_a_code_cannot_be_moved() -> None:
    code = await codes().issue("request")
    raw = base64.b32decode(code.upper())
    later = (int.from_bytes(raw[:5], "big") + 300).to_bytes(5, "big")
    with pytest.raises(InputError, match="is not of a preview of this call"):
        await codes().check(base64.b32encode(later + raw[5:]).decode(), "request")


@posix
@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_the_secret_is_for_its_owner_alone_and_stays_the_same(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        (tmp_path / "state").mkdir(mode=0o700)
        (tmp_path / "state").chmod(0o700)
        secret = secret_in(tmp_path / "state")
    finally:
        os.umask(old)
    (file,) = (tmp_path / "state").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(secret) == SECRET_BYTES
    assert secret_in(tmp_path / "state") == secret
    assert secret_in(tmp_path / "another") != secret


@posix
@pytest.mark.parametrize(
    ("content", "mode"),
    [(b"", 0o600), (b"1" * 31, 0o600), (b"1" * 33, 0o600), (b"1" * 32, 0o644), (b"1" * 32, 0o660)],
    ids=["empty", "cut off", "too long", "readable by all", "writable by a group"],
)
def test_a_secret_that_is_damaged_or_was_readable_by_others_is_replaced(
    tmp_path: Path, content: bytes, mode: int
) -> None:
    secret_in(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    file.chmod(mode)
    secret = secret_in(tmp_path)
    assert secret != content
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert secret_in(tmp_path) == secret


@posix
async def test_a_link_in_place_of_the_secret_is_not_followed_and_says_why(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"1" * SECRET_BYTES)
    target.chmod(0o600)
    folder = tmp_path / "state"
    secret_in(folder)
    (file,) = folder.iterdir()
    file.unlink()
    file.symlink_to(target)
    with pytest.raises(WriteError, match=r"the secret behind codes cannot be kept .*INCIDENT_MCP_STATE_DIR"):
        await ConfirmationCodes(lambda: [secret_in(folder)]).issue("request")
    assert target.read_bytes() == b"1" * SECRET_BYTES


async def test_without_a_folder_no_code_is_issued_or_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    folder = tmp_path / "file" / "state"
    with pytest.raises(WriteError, match=r"cannot be kept .*Outcome: not sent"):
        await ConfirmationCodes(lambda: [secret_in(folder)]).issue("request")
    journal = SqliteJournal(lambda: folder)
    for keep in (journal.prepare_codes, lambda: journal.use_code("one")):
        with pytest.raises(JournalError, match="The journal cannot be written"):
            await keep()


RACE = """
import sys
from pathlib import Path
import anyio
from incident_mcp.writing.codes import secret_in
from incident_mcp.writing.journal.sqlite import SqliteJournal
folder = Path(sys.argv[1])
async def main():
    journal = SqliteJournal(lambda: folder)
    print(secret_in(folder).hex(), sum([await journal.use_code(f"code {n}") for n in range(20)]))
anyio.run(main)
"""


def test_processes_share_one_secret_and_use_a_code_once_together(tmp_path: Path) -> None:
    import subprocess  # noqa: PLC0415  # several at once

    command = [sys.executable, "-c", RACE, str(tmp_path / "state")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(4)]
    told = [process.communicate(timeout=60)[0].split() for process in processes]
    assert len({secret for secret, _ in told}) == 1
    assert sum(int(used) for _, used in told) == 20


def test_a_secret_in_the_environment_that_is_too_short_stops_the_start(uv: str) -> None:
    ended = run(uv, "run", "incident-mcp", "tools", env={**os.environ, "INCIDENT_MCP_SECRET": "short"}, timeout=60)
    assert ended.returncode != 0
    assert "INCIDENT_MCP_SECRET is too short: it takes 32 bytes or more" in ended.stderr
    assert "Traceback" not in ended.stderr
