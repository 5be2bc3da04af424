"""Both services on a local port, every answer rendered once by the sandbox and then repeated from memory.

Run with a number of open incidents, of closed ones with long summaries, and the length of names. Prints its port, and
after each line on standard input the paths that were read since the line before. Ends with its standard input.
"""

import asyncio
import json
import random
import sys
from contextlib import suppress
from datetime import timedelta

import httpx2
from situation import NOW, account

from incident_mcp.sandbox import Sandbox

WORDS = "checkout shows timeouts since the deploy and customers wait for their orders while we roll back"


def box(each: int, closed: int, name: int) -> Sandbox:
    """Make the services: each incident repeats the custom fields with all of their options, as the vendor's do."""
    made = account(each)
    incidents = made.incidentio.incidents
    fields = next(row for row in Sandbox(now=NOW).incidentio.incidents if row["reference"] == "INC-114")
    for row in incidents:
        row["custom_field_entries"] = fields["custom_field_entries"]
        row["name"] = (row["name"] + ", " + WORDS * (name // 40))[: max(name, len(row["name"]))]
    status = next(row for row in made.incidentio.statuses if row["category"] == "closed")
    text = " ".join(random.Random(1).choices(WORDS.split(), k=1_500))  # noqa: S311  # a made-up text
    alerts = made.ionhour.incidents
    for number in range(closed):
        alert = alerts[number % len(alerts)]
        incidents.append(
            incidents[number % each]
            | {
                "id": f"01CLOSED{number:018}",
                "reference": f"INC-{9_000 + number}",
                "incident_status": status,
                "summary": f"{text}\n\nIonhour incident {alert['id']} ({alert['publicId']})\n",
                "created_at": (NOW - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )
    if closed:
        # No open incident names an alert, so that all of them are looked for among the recent ones.
        for row in incidents[:each]:
            row["summary"] = text
    return made


class Canned:
    """Answers over HTTP/1.1, as fast as Python can."""

    def __init__(self, made: Sandbox) -> None:
        self._box = made
        self._answers: dict[str, bytes] = {}
        self.read: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode()
                self.read.append(path)
                if path not in self._answers:
                    self._answers[path] = await self._render(path)
                writer.write(self._answers[path])
                await writer.drain()
        writer.close()

    async def _render(self, path: str) -> bytes:
        service, _, rest = path.removeprefix("/").partition("/")
        async with httpx2.AsyncClient(transport=self._box.transport(service), base_url="http://127.0.0.1") as client:
            headers = {"Authorization": f"Bearer {self._box.key(service)}"}
            answer = await client.get(f"/{rest}", headers=headers)
        assert answer.status_code == 200, (path, answer.text)
        length = f"content-length: {len(answer.content)}\r\n".encode()
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" + length + b"\r\n" + answer.content


async def main() -> None:
    """Serve until standard input ends."""
    canned = Canned(box(*map(int, sys.argv[1:])))
    served = await asyncio.start_server(canned.serve, "127.0.0.1", 0)
    print(served.sockets[0].getsockname()[1], flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(canned.read), flush=True)
        canned.read.clear()


if __name__ == "__main__":
    asyncio.run(main())
