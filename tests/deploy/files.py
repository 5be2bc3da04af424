"""The files that deploy the server, parsed."""

import re
import shlex
from typing import Any

import yaml

from tests.spawned import ROOT

DOCKERFILE = ROOT / "Dockerfile"
IGNORED = ROOT / ".dockerignore"
COMPOSE = ROOT / "deploy/compose.yaml"
KUBERNETES = ROOT / "deploy/kubernetes.yaml"
NGINX = ROOT / "deploy/nginx.conf"


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with what follows them, lines joined."""
    lines = [line for line in DOCKERFILE.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line]


def compose() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text("utf-8"))


def kubernetes(kind: str) -> dict[str, Any]:
    [found] = [item for item in yaml.safe_load_all(KUBERNETES.read_text("utf-8")) if item["kind"] == kind]
    return found


def directives(conf: str) -> list[list[str]]:
    """Return every directive of an nginx configuration, with its words; a block counts as one."""
    bare = "\n".join(line for line in conf.splitlines() if not line.lstrip().startswith("#"))
    return [shlex.split(part) for part in re.split(r"[;{}]", bare) if part.strip()]
