"""SKILL.md over MCP: the Skills extension (SEP-2640), for hosts of 2026-07-28 and later."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.extension import Extension, MethodBinding, ResourceBinding
from mcp.server.mcpserver.resources import FunctionResource
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, PaginatedRequestParams, RequestParams

from incident_mcp.records.text import inert

URI = "skill://incident-mcp/SKILL.md"
ERA = frozenset({"2026-07-28"})
FRESH_MS = 3_600_000


def read_skill() -> str:
    """Read SKILL.md: in a wheel it lies in the package, in a checkout at the top."""
    package = Path(__file__).parents[1]
    packaged = package / "SKILL.md"
    return (packaged if packaged.exists() else package.parents[1] / "SKILL.md").read_text(encoding="utf-8")


def _description() -> str:
    """Give the frontmatter's own description; its folded lines are read without the cost of importing YAML."""
    return " ".join(read_skill().partition("description: >-\n")[2].partition("\nlicense:")[0].split())


def _entry() -> dict[str, Any]:
    import yaml  # noqa: PLC0415  # only who lists skills pays for the import

    text = read_skill()
    raw = text.encode()
    file = {"uri": URI, "digest": f"sha256:{hashlib.sha256(raw).hexdigest()}", "size": len(raw)}
    return {"uri": URI, "frontmatter": yaml.safe_load(text.split("---\n", 2)[1]), "resources": [file]}


class GetSkillParams(RequestParams):
    """Which skill."""

    uri: str


async def _list_skills(_: ServerRequestContext[Any, Any], __: PaginatedRequestParams) -> dict[str, Any]:
    return {"resultType": "complete", "skills": [_entry()], "ttlMs": FRESH_MS, "cacheScope": "public"}


async def _get_skill(_: ServerRequestContext[Any, Any], params: GetSkillParams) -> dict[str, Any]:
    if params.uri != URI:
        raise MCPError(code=INVALID_PARAMS, message=f"There is no skill {inert(params.uri[:100])}; there is {URI}.")
    return {"resultType": "complete", "skill": _entry(), "ttlMs": FRESH_MS, "cacheScope": "public"}


class Skills(Extension):
    """Publishes this project's one skill."""

    identifier = "io.modelcontextprotocol/skills"

    def resources(self) -> Sequence[ResourceBinding]:
        """Give the skill's one file, an ordinary resource to hosts of any era."""
        resource = FunctionResource(
            uri=URI,
            name="incident-mcp",
            title="How to run incidents with these tools",
            description=_description(),
            mime_type="text/markdown",
            fn=read_skill,
        )
        return [ResourceBinding(resource)]

    def methods(self) -> Sequence[MethodBinding]:
        """Give the two methods of the extension."""
        return [
            MethodBinding("skills/list", PaginatedRequestParams, _list_skills, ERA),
            MethodBinding("skills/get", GetSkillParams, _get_skill, ERA),
        ]
