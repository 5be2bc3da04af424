"""Whom a level of an escalation path pages, and whether their phone rings."""

from datetime import datetime

from incident_mcp.sandbox.engine.service import Json

from .account import IncidentIO, by_id
from .notification_pauses import is_paused
from .shifts import next_shifts, on_call_at, rotations_at
from .weekly_hours import is_open


def people_of(account: IncidentIO, target: Json, instant: datetime) -> list[Json]:
    """Return the users whom a target means at an instant, whether or not they can be reached."""
    if target["type"] == "user":
        ids = [target["id"]]
    elif target["type"] == "schedule":
        ids = _on_schedule(account, target, instant)
    else:
        ids = []
    return [user for user_id in dict.fromkeys(ids) if (user := by_id(account.users, user_id))]


def _on_schedule(account: IncidentIO, target: Json, instant: datetime) -> list[str]:
    schedule = by_id(account.on_call.schedules, target["id"])
    if schedule is None:
        return []
    found = _by_mode(account, schedule, target.get("schedule_mode") or "currently_on_call", instant)
    return [user["id"] for user, rotation_id in found if target.get("selected_rota_id") in {None, rotation_id}]


def _by_mode(account: IncidentIO, schedule: Json, mode: str, instant: datetime) -> list[tuple[Json, str]]:
    """Return the users whom a mode means, each with the rotation."""
    if mode.startswith("all_users"):
        return [(user, row["id"]) for row in rotations_at(schedule, instant) for user in row["users"]]
    find = next_shifts if mode.startswith("next") else on_call_at
    return [(shift.user, shift.rotation_id) for shift in find(account, schedule, instant)]


def rings(account: IncidentIO, user: Json, instant: datetime) -> bool:
    """Return whether a page makes the user's phone ring.

    The document says that a paused user is skipped. That the others are not paged either follows from what their fields
    mean: deactivated, no access to on-call, no method that is ready.
    """
    seated = user["is_active"] and user["seats"]["on_call"] == "full_access"
    usable = any(method["is_usable"] for method in account.on_call.methods.get(user["id"], []))
    return seated and usable and not is_paused(account, user["id"], instant)


def holds(condition: Json, path: Json, priority: str, instant: datetime) -> bool:
    """Return whether a condition is true. One whose subject is neither working hours nor a priority is not."""
    subject = condition["subject"]["reference"]
    if subject.startswith("escalation.working_hours"):
        hours = next((row for row in path.get("working_hours", []) if f'"{row["id"]}"' in subject), None)
        return hours is not None and is_open(hours, instant)
    if subject.endswith(".priority"):
        bindings: list[Json] = condition["param_bindings"]
        values = [
            value for binding in bindings for value in [*binding.get("array_value", []), binding.get("value", {})]
        ]
        return any(priority in {value.get("label"), value.get("literal")} for value in values)
    return False


def branch_of(node: Json, path: Json, priority: str, instant: datetime) -> list[Json]:
    """Return the nodes of the branch that an `if_else` node takes."""
    test = node["if_else"]
    met = all(holds(condition, path, priority, instant) for condition in test["conditions"])
    return test["then_path"] if met else test["else_path"]


def nodes_of(account: IncidentIO, path: Json) -> list[Json]:
    """Return the nodes of a path, which a templated one takes from its template."""
    return account.on_call.path_templates[path["template_id"]] if path["kind"] == "templated" else path["path"]
