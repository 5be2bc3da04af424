"""What incident.io's OpenAPI document says of each operation, in a small file that the contract tests read.

uv run python tools/vendor_operations.py [DOCUMENT] > tests/contract/incidentio_operations.json

DOCUMENT is a file, gzipped or not, or an address; default https://api.incident.io/v1/openapiV3.json
"""

import gzip
import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

ADDRESS = "https://api.incident.io/v1/openapiV3.json"
METHODS = ("get", "post", "put", "patch", "delete")
Json = dict[str, Any]


def read(document: str) -> Json:
    """Read an OpenAPI document from a file or an address."""
    if document.startswith("https://"):
        with urlopen(document) as answer:  # noqa: S310  # https only
            content = answer.read()
    else:
        content = Path(document).read_bytes()
    return json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)


def schema_of(document: Json, node: Json) -> Json:
    """Return the JSON schema of a request body or a response, its reference resolved."""
    return resolve(document, node.get("content", {}).get("application/json", {}).get("schema", {}))


def resolve(document: Json, schema: Json) -> Json:
    """Return the schema that a reference names."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


def rows_key(document: Json, operation: Json) -> str | None:
    """Return the key of a list answer's rows: the only array in it."""
    answer = schema_of(document, operation["responses"].get("200", {}))
    arrays = [name for name, inner in answer.get("properties", {}).items() if inner.get("type") == "array"]
    return arrays[0] if len(arrays) == 1 else None


def scopes_by_field(document: Json, operation: Json) -> dict[str, list[str]]:
    """Return the scopes that a description lists for the fields of the body, field by field."""
    body = schema_of(document, operation.get("requestBody", {})).get("properties", {})
    fields = [field for inner in body.values() for field in resolve(document, inner).get("properties", {})]
    found: dict[str, list[str]] = {}
    for scope, purpose in re.findall(r"^- `(\w+\.\w+)` (.+)$", operation["description"], re.MULTILINE):
        for field in fields:
            words = re.sub("^incident_|_(id|entries|values)$", "", field).replace("_", " ")
            if words in purpose.lower():
                found.setdefault(field, []).append(scope)
    return found


def described(document: Json, operation: Json) -> Json:
    """Return what the tests check of one operation."""
    facts = {
        "scopes": operation.get("x-rbac-scopes"),
        "scopes_by_field": None if "x-rbac-scopes" in operation else scopes_by_field(document, operation),
        "deprecated": operation.get("deprecated"),
        "rows": rows_key(document, operation),
    }
    return {name: fact for name, fact in facts.items() if fact}


def operations(document: Json) -> dict[str, Json]:
    """Return every operation's facts by "METHOD path"; placeholders are `{}`."""
    return {
        f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}": described(document, methods[method])
        for path, methods in sorted(document["paths"].items())
        for method in METHODS
        if method in methods
    }


if __name__ == "__main__":
    found = operations(read(*sys.argv[1:] or [ADDRESS]))
    lines = [f"{json.dumps(name)}: {json.dumps(facts)}" for name, facts in found.items()]
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")
