"""Every operation is one that its service documents, and every request that a tool sends is of an operation.

`incidentio_operations.json` is made from the vendor's document by tools/vendor_operations.py. Ionhour publishes no such
document: `ionhour_operations.json` lists what the pages of its API reference document, without those that take a
check's token, which is a live credential: a ping with it fakes a recovery.
"""

import ast
import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest

import incident_mcp
from incident_mcp.incidentio.incidents.edit import EDIT, EDIT_SCOPES
from incident_mcp.transport.operation import Operation
from tests.examples import calls

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

HERE = Path(__file__).parent
INCIDENTIO: dict[str, dict[str, Any]] = json.loads((HERE / "incidentio_operations.json").read_text("utf-8"))
IONHOUR: list[str] = json.loads((HERE / "ionhour_operations.json").read_text("utf-8"))


def operations() -> dict[Operation, str]:
    """Return all operations of the package with where they are defined: `incidentio.severities.LIST`."""
    found: dict[Operation, str] = {}
    for module in pkgutil.walk_packages(incident_mcp.__path__, "incident_mcp."):
        if ".sandbox" not in module.name and not module.name.endswith("__main__"):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, Operation):
                    found.setdefault(value, f"{module.name.removeprefix('incident_mcp.')}.{name}")
    return found


OPERATIONS = operations()
every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=OPERATIONS.values())


def is_incidentio(operation: Operation) -> bool:
    """Return whether the operation is incident.io's, whose paths begin with a version."""
    return re.match(r"/v\d+/", operation.path) is not None


def label(operation: Operation) -> str:
    """Return method and path, as the documents' tables have them."""
    return f"{operation.method} {re.sub('{[^}]*}', '{}', operation.path)}"


def documented(operation: Operation) -> dict[str, Any]:
    """Return what the service's document says of an operation."""
    name, known = ("incident.io", INCIDENTIO) if is_incidentio(operation) else ("Ionhour", IONHOUR)
    assert label(operation) in known, f"{OPERATIONS[operation]}: {name} documents no {label(operation)}"
    return INCIDENTIO.get(label(operation), {})


@every_operation
def test_an_operation_is_documented_and_not_deprecated(operation):
    assert not documented(operation).get("deprecated"), f"{OPERATIONS[operation]}: {label(operation)} is deprecated"


@every_operation
def test_an_operation_names_the_scope_that_the_document_names(operation):
    scope = ", ".join(documented(operation).get("scopes", ()))
    assert operation.scope == scope, f'{OPERATIONS[operation]}: the document has the scope "{scope}"'


@every_operation
def test_the_rows_of_a_list_have_the_key_that_the_document_names(operation):
    rows = documented(operation).get("rows", operation.rows_key)
    assert operation.rows_key == rows, f'{OPERATIONS[operation]}: the document has the rows under "{rows}"'


def test_each_field_of_an_edit_names_the_scope_that_the_document_lists_for_it():
    # A call URL that replaces another one takes a second scope.
    assert {field: scopes[0] for field, scopes in documented(EDIT)["scopes_by_field"].items()} == EDIT_SCOPES


def of(request: Any) -> list[Operation]:
    """Return the operations that a request is of."""
    path = request.path.removeprefix("/api")
    return [
        operation
        for operation in OPERATIONS
        if operation.method == request.method and re.fullmatch(re.sub("{[^}]*}", "[^/]+", operation.path), path)
    ]


async def test_every_request_is_of_one_operation_and_every_operation_is_sent_by_an_example(connect, box):
    sent: set[Operation] = set()
    async with connect(max_writes=0) as call:
        for tool, arguments in calls():
            before = len(box.requests)
            await call.performed(tool, **arguments)
            for request in box.requests[before:]:
                assert len(of(request)) == 1, f"{tool} sends {request.method} {request.path}, which is of {of(request)}"
                sent.update(of(request))
    unused = [f"{OPERATIONS[operation]}: {label(operation)}" for operation in OPERATIONS if operation not in sent]
    assert unused == [], "no tool's EXAMPLES send these"


def test_paths_stand_in_operations_alone():
    folder = Path(incident_mcp.__file__).parent
    texts = {
        node.value
        for room in ("incidentio", "ionhour", "response")
        for file in (folder / room).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.match(r"/[a-z]", node.value)
    }
    assert texts == {operation.path for operation in OPERATIONS}
