"""The skill over MCP: SKILL.md, its references, and the Skills extension (SEP-2640) of protocol version 2026-07-28."""

import hashlib
from pathlib import Path
from typing import Any

from mcp import MCPError
from mcp.server import Server, ServerRequestContext
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND, PaginatedRequestParams, RequestParams, Resource

from incident_mcp.records.text import inert

NAME = "incident-mcp"
URI = f"skill://{NAME}/SKILL.md"
REFERENCES = (
    "references/oncall.md",
    "references/alerts.md",
    "references/catalog.md",
    "references/timeline.md",
    "references/follow_ups.md",
    "references/checks.md",
    "references/insight.md",
    "references/post_mortems.md",
    "references/status_pages.md",
)
"""What belongs to one toolset; SKILL.md says when to read which."""
FILES = {f"skill://{NAME}/{path}": path for path in ("SKILL.md", *REFERENCES)}
"""The path of each file in the skill's folder, by its URI."""
EXTENSION = "io.modelcontextprotocol/skills"
VERSIONS = ("2026-07-28",)
FRESH_MS = 3_600_000


def read_skill(path: str = "SKILL.md") -> str:
    """Read a file of the skill: from the package in a wheel, from the top folder in a checkout.

    Args:
        path: One of `FILES`; it is not checked.
    """
    package = Path(__file__).parents[1]
    packaged = package / path
    return (packaged if packaged.exists() else package.parents[1] / path).read_text(encoding="utf-8")


def _description() -> str:
    """Return the description in the frontmatter; its folded lines are read without the cost of importing YAML."""
    return " ".join(read_skill().partition("description: >-\n")[2].partition("\nlicense:")[0].split())


def _entry() -> dict[str, Any]:
    import yaml  # noqa: PLC0415  # imported only when skills are listed

    frontmatter = yaml.safe_load(read_skill().split("---\n", 2)[1])
    return {"uri": URI, "frontmatter": frontmatter, "resources": [_file(*each) for each in FILES.items()]}


def _file(uri: str, path: str) -> dict[str, Any]:
    raw = read_skill(path).encode()
    return {"uri": uri, "digest": f"sha256:{hashlib.sha256(raw).hexdigest()}", "size": len(raw)}


class GetSkillParams(RequestParams):
    """Which skill."""

    uri: str


async def _list_skills(request: ServerRequestContext[Any], _: PaginatedRequestParams) -> dict[str, Any]:
    _check_version(request)
    return {"resultType": "complete", "skills": [_entry()], "ttlMs": FRESH_MS, "cacheScope": "public"}


async def _get_skill(request: ServerRequestContext[Any], params: GetSkillParams) -> dict[str, Any]:
    _check_version(request)
    if params.uri != URI:
        raise MCPError(INVALID_PARAMS, f"Unknown skill {inert(params.uri[:100])}. Available: {URI}.")
    return {"resultType": "complete", "skill": _entry(), "ttlMs": FRESH_MS, "cacheScope": "public"}


def _check_version(request: ServerRequestContext[Any]) -> None:
    """Raise unless the request's protocol version has the extension."""
    if request.protocol_version not in VERSIONS:
        raise MCPError(METHOD_NOT_FOUND, "Method not found", data=request.method)


def offer_skills(server: Server[Any]) -> None:
    """Add the extension and its two methods to a server."""
    server.extensions[EXTENSION] = {}
    server.add_request_handler("skills/list", PaginatedRequestParams, _list_skills)
    server.add_request_handler("skills/get", GetSkillParams, _get_skill)


def resources() -> list[Resource]:
    """Return the skill's files, which hosts of any protocol version can read as resources."""
    main = Resource(
        uri=URI,
        name=NAME,
        title="How to run incidents with these tools",
        description=_description(),
        mime_type="text/markdown",
    )
    return [main, *(_reference(uri, path) for uri, path in FILES.items() if uri != URI)]


def _reference(uri: str, path: str) -> Resource:
    """Describe a reference by its heading and its first paragraph."""
    heading, paragraph, *_ = read_skill(path).split("\n\n", 2)
    return Resource(
        uri=uri,
        name=f"{NAME}/{path}",
        title=heading.removeprefix("# "),
        description=" ".join(paragraph.split()),
        mime_type="text/markdown",
    )
