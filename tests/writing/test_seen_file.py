"""What `incident-mcp call` has shown: kept in a file that may be lost or damaged, and never grows."""

import json
import multiprocessing
import stat
import time
from pathlib import Path

import pytest

from incident_mcp.transport.seen import SEEN_SECONDS
from incident_mcp.writing.seen_file import MAX_BYTES, MAX_KEPT, SeenFile

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "seen.json"


@pytest.fixture
def seen(path: Path) -> SeenFile:
    return SeenFile(lambda: path.parent)


async def test_the_next_process_finds_what_was_shown(path, seen):
    await seen.remember({"a": "1", "b": "2"})
    await SeenFile(lambda: path.parent).remember({"a": "3"})
    again = SeenFile(lambda: path.parent)
    assert [await again.find(key) for key in ("a", "b", "c")] == ["3", "2", None]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["seen.json"]


async def test_it_is_forgotten_after_half_an_hour_and_if_the_clock_was_set_back(seen, monkeypatch):
    await seen.remember({"a": "1"})
    real = time.time
    for seconds in (SEEN_SECONDS + 1, -60):
        with monkeypatch.context() as moved:
            moved.setattr(time, "time", lambda seconds=seconds: real() + seconds)
            assert await seen.find("a") is None
    assert await seen.find("a") == "1"


async def test_the_file_is_bounded(path, seen):
    await seen.remember({str(number): "1" for number in range(MAX_KEPT)})
    await seen.remember({"more": "1"})
    assert len(json.loads(path.read_bytes())) == MAX_KEPT
    assert await seen.find("0") is None
    assert await seen.find("more") == "1"


DAMAGED = [
    "",
    "{",
    "[]",
    "null",
    '{"a": 1}',
    '{"a": [1]}',
    '{"a": ["x", "1"]}',
    '{"a": [1, 2]}',
    "\ud800",
    "[" * 100_000,
]


@pytest.mark.parametrize("content", DAMAGED)
async def test_a_damaged_file_is_as_good_as_none(path, seen, content):
    path.parent.mkdir()
    path.write_text(content, "utf-8", errors="surrogatepass")
    assert await seen.find("a") is None
    await seen.remember({"a": "1"})
    assert await seen.find("a") == "1"


async def test_a_file_of_another_size_or_kind_is_not_read(path, seen):
    path.parent.mkdir()
    path.write_text(json.dumps({"a": [time.time(), "x" * MAX_BYTES]}), "utf-8")
    assert await seen.find("a") is None
    path.unlink()
    path.mkdir()
    await seen.remember({"a": "1"})
    assert await seen.find("a") is None
    assert [each.name for each in path.parent.iterdir()] == ["seen.json"]


async def test_a_folder_that_cannot_be_used_stops_nothing(tmp_path):
    def none() -> Path:
        raise RuntimeError("no home folder")

    (tmp_path / "file").write_text("", "utf-8")
    for folder in (none, lambda: tmp_path / "file" / "state"):
        seen = SeenFile(folder)
        await seen.remember({"a": "1"})
        assert await seen.find("a") is None


def _write_often(folder: str) -> None:
    import anyio  # noqa: PLC0415  # in its own process

    async def write() -> None:
        for number in range(100):
            await SeenFile(lambda: Path(folder)).remember({str(number): "x" * 1_000})

    anyio.run(write)


async def test_a_reader_never_sees_half_a_file(path, seen):
    await seen.remember({"a": "1"})
    writer = multiprocessing.get_context("spawn").Process(target=_write_often, args=(str(path.parent),))
    writer.start()
    reads = 0
    while writer.is_alive():
        json.loads(path.read_bytes())
        reads += 1
    writer.join()
    assert writer.exitcode == 0
    assert reads
