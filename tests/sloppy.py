"""The matrix of sloppy calls: for any tool, what models and hosts really send and what the tool must do with it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tests.conftest import Caller
from tests.examples import EXAMPLES

Json = dict[str, Any]
Kind = Literal["accepted", "refused here", "refused by the service", "failed with an internal error"]
ACCEPTED: tuple[Kind, ...] = ("accepted",)
HERE: tuple[Kind, ...] = ("refused here",)
SERVICE: tuple[Kind, ...] = ("refused by the service",)

# A valid value of each argument, by its name, that makes a difference; one in a tool's own EXAMPLES goes before it, and
# one in `SPECIAL` before both. Missing choices take the first that is not the default, missing numbers 7, booleans what
# is not the default.
VALID: Json = {
    "body": "Looking.",
    "call_url": "https://meet.paysand.example/cards",
    "check_id": 201,
    "clear": "call_url",
    "created_at_gte": "2026-11-01",
    "created_at_lte": "2026-11-20T23:59:59Z",
    "created_at_range": "2026-11-01~2026-11-20T23:59:59Z",
    "custom_fields": {"Affected team": ["Payments"]},
    "custom_fields_not_in": {"Affected team": ["Payments"]},
    "despite": "INC-114",
    "idempotency_key": "cards-1",
    "incident": "INC-114",
    "incident_id": 4514,
    "incident_role": {"Incident Lead": ["sam.okafor@paysand.example"]},
    "incident_type": "Data",
    "incident_type_not_in": "Data",
    "ionhour_incident_id": 4514,
    "message": "Rolling back.",
    "name": "Cards fail",
    "name_contains": "checkout",
    "note_id": 704,
    "project_id": 11,
    "roles": {"Incident Lead": "U04YUKI"},
    "severity": "Major",
    "severity_gte": "Minor",
    "severity_lte": "Major",
    "severity_not_in": "Major",
    "slack_channel_name": "inc-cards",
    "slack_team_id": "T04PAYSAND",
    "status": "Fixing",
    "status_not_in": "Fixing",
    "summary": "One card in three is declined.",
    "timestamps": {"Impact started": "2026-11-21T01:00:00Z"},
    "updated_at_gte": "2026-11-01",
    "updated_at_lte": "2026-11-20T23:59:59+02:00",
    "updated_at_range": "2026-11-01~2026-11-20",
    "workspace_id": 1,
}
SPECIAL: dict[tuple[str, str], Any] = {
    ("declare_from_ionhour", "despite"): "INC-116",
    ("declare_from_ionhour", "ionhour_incident_id"): 4514,
    ("incidentio_close_incident", "status"): "Closed",
    # Similar to INC-114: named in `similar_open` unless `despite` names it.
    ("incidentio_create_incident", "name"): "Webhook deliveries to merchants fail in EU",
    # When the examples' rows were changed last.
    ("incidentio_close_incident", "seen"): "2026-11-21T01:50:00Z",
    ("incidentio_edit_incident", "seen"): "2026-11-19T03:00:00Z",
    ("incidentio_post_update", "seen"): "2026-11-21T01:45:00Z",
    ("incidentio_update_action", "seen"): "2026-11-21T01:55:00Z",
    ("incidentio_update_follow_up", "seen"): "2026-11-13T03:00:00Z",
    ("situation", "limit"): 2,
}
DEPENDENT = {
    ("incidentio_add_attachment", "external_id"),
    ("incidentio_add_attachment", "resource_type"),
    ("incidentio_add_attachment", "title"),
    ("incidentio_answer_page", "reason"),
    ("incidentio_answer_page", "snooze_until"),
    ("incidentio_create_override", "layer"),
    ("incidentio_create_override", "rotation"),
}
"""Arguments that a call without certain others may not have: an example has them together."""
NEEDED = {("incidentio_answer_page", "snooze"): {"snooze_until": "2099-01-01T08:00:00Z"}}
"""What a choice needs beside it."""
INERT = {
    ("incidentio_close_incident", "status"),
    ("incidentio_page_people", "anyway"),
    ("incidentio_reassign_page", "anyway"),
}
"""Where no value makes a difference: one status is closed, and the people of the examples can be reached."""

BLANK: list[Any] = ["", "  ", "\u200b", "null", "None", "undefined", [], {}, [""], ["null"], None]
BLANK_JSON: Json = {"array": ["[]", '[""]', '["null"]'], "object": ["{}"]}
BAD_NUMBERS: list[Any] = [True, False, "1_0", "0x10", 1.5, "1.5", "1e3", 10**30, str(10**30), -1, "-1"]
BAD_NUMBERS += ["NaN", "nan", "Infinity", "-inf", "seven", [1, 2], ["1", "2"], {"number": 7}]
BAD_DATES = ["2026-99-99", "yesterday", "2026-11-21T03:12:00", "20261121"]
BAD_RANGES = ["2026-11-01", "2026-11-01~", "~2026-11-01", "~", "2026-99-99~2026-11-20", "2026-11-01~yesterday"]
BAD_RANGES += ["2026-11-01~2026-11-02~2026-11-03", "2026-11-01T00:00:00~2026-11-20", "2026-11-01/2026-11-20"]
FAR_DATES = ["0001-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
LIKE_JSON = ["[1]", '["a"]', '{"a": 1}', "true", "42"]
# Texts of people: what looks like JSON in them is theirs.
TEXTS = {"body", "call_url", "idempotency_key", "message", "name", "slack_channel_name", "slack_team_id", "summary"}
# Names and ids: white space around them is nobody's.
NAMES = {"incident", "incident_type", "name", "name_contains", "severity", "severity_gte", "severity_lte"}
NAMES |= {"slack_channel_name", "slack_team_id", "status", "status_not_in", "severity_not_in", "incident_type_not_in"}
NAMES |= {"check_id", "clear", "created_at_gte", "created_at_range", "despite", "idempotency_key", "project_id"}
OTHER_KEY = {"custom_fields": "Customer impact", "custom_fields_not_in": "Affected services"}
OTHER_KEY |= {"incident_role": "Communications Lead", "roles": "Communications Lead", "timestamps": "Fixed at"}

# A word of the operations pages, a value, and the arguments that take its place: of several any one fits.
WORDS: list[tuple[str, Any, tuple[str, ...]]] = [
    ("severity_id", "01SEVERITY", ("severity",)),
    ("to_severity_id", "01SEVERITY", ("severity",)),
    ("severity[one_of]", "01SEVERITY", ("severity",)),
    ("severity[gte]", "01SEVERITY", ("severity_gte",)),
    ("severity[lte]", "01SEVERITY", ("severity_lte",)),
    ("severity[not_in]", "01SEVERITY", ("severity_not_in",)),
    ("incident_status_id", "01STATUS", ("status",)),
    ("to_incident_status_id", "01STATUS", ("status",)),
    ("status[one_of]", "01STATUS", ("status",)),
    ("status_category[one_of]", "live", ("status_category",)),
    ("incident_type_id", "01TYPE", ("incident_type",)),
    ("mode[one_of]", "standard", ("mode",)),
    ("created_at[gte]", "2026-11-01", ("created_at_gte",)),
    ("created_at[lte]", "2026-11-20", ("created_at_lte",)),
    ("created_at[date_range]", "2026-11-01~2026-11-20", ("created_at_range",)),
    ("updated_at[date_range]", "2026-11-01~2026-11-20", ("updated_at_range",)),
    ("status_category[not_in]", "live", ("status_category_not_in",)),
    ("incident_type[not_in]", "01TYPE", ("incident_type_not_in",)),
    ("custom_field[01FIELD][one_of]", "01OPTION", ("custom_fields",)),
    ("custom_field[01FIELD][not_in]", "01OPTION", ("custom_fields_not_in",)),
    ("incident_role[01ROLE][one_of]", "01USER", ("incident_role",)),
    ("filterMode", "any", ("filter_mode",)),
    ("sortBy", "created_at_oldest_first", ("sort_by",)),
    ("custom_field_entries", [{"custom_field_id": "01F", "values": [{"value_link": "x"}]}], ("custom_fields",)),
    ("incident_role_assignments", [{"incident_role_id": "01R", "user": {"id": "01U"}}], ("roles",)),
    ("incident_timestamp_values", [{"incident_timestamp_id": "01T", "value": "2026-11-21"}], ("timestamps",)),
    ("slack_channel_name_override", "inc-cards", ("slack_channel_name",)),
    ("notifyIncidentChannel", True, ("notify_incident_channel",)),
    ("page_size", 7, ("limit",)),
    ("pageSize", 7, ("limit",)),
    ("incident_id", "INC-114", ("ionhour_incident_id", "incident")),
    ("incidentId", 4514, ("ionhour_incident_id", "incident", "incident_id")),
    ("id", 4514, ("ionhour_incident_id", "incident", "incident_id")),
    ("noteId", 704, ("note_id",)),
    ("checkId", 201, ("check_id",)),
    ("projectId", 11, ("project_id",)),
    ("workspaceId", 1, ("workspace_id",)),
]
HOST_KEYS = ["sessionId", "toolCallId", "action", "chatInput", "random_string"]
UNKNOWN: Json = {"sevrity": ["Major"], "params": {"limit": 1}, "api": 1, "kwargs": "{}"}


@dataclass(frozen=True)
class Cell:
    """One call and what must come of it."""

    argument: str
    value: Any
    call: Json
    """All arguments."""
    expected: tuple[Kind, ...]
    like: Json | None = None
    """A call that is not refused here does what the call with these arguments does."""
    holds: str = ""
    """A text that an accepted call passes on unchanged."""
    says: tuple[str, ...] = ()
    """Words of a refusal here, its list of known arguments aside; of `a|b` one is enough."""
    lists_known: bool = False
    """A refusal here lists the known arguments."""

    def __str__(self) -> str:
        return f"{self.argument}={self.value!r}"


@dataclass(frozen=True)
class SloppyTool:
    """A tool as it is published, and the cells that follow from that."""

    name: str
    writes: bool
    schema: Json
    examples: list[Json]
    found: Json
    """Valid values that only the sandbox knows."""

    @property
    def properties(self) -> Json:
        return self.schema["properties"]

    @property
    def required(self) -> list[str]:
        return self.schema.get("required", [])

    @property
    def known(self) -> str:
        """The known arguments as a refusal lists them."""
        return ", ".join(f"{name}*" if name in self.required else name for name in self.properties) or "none"

    def valid(self, argument: str) -> Any:
        schema = self.properties[argument]
        inner = schema.get("items", schema)
        own = next((example[argument] for example in self.examples if argument in example), VALID.get(argument))
        value = self.found.get(argument) or SPECIAL.get((self.name, argument), own)
        if value is None and "enum" in inner:
            value = next(choice for choice in inner["enum"] if choice != schema.get("default"))
        elif value is None and inner["type"] == "integer":
            value = 7
        elif value is None and inner["type"] == "boolean":
            value = not schema.get("default", False)
        assert value is not None, f"{self.name}: no value of {argument} is known: add a call with one to its EXAMPLES"
        return [value] if schema["type"] == "array" and not isinstance(value, list) else value

    def without(self, argument: str = "") -> Json:
        """A call that succeeds without this argument, unless it is required: the shortest example that lacks it."""
        lacking = [example for example in self.examples if argument not in example or argument in self.required]
        shortest = min(lacking or self.examples, key=len)
        special = {name: SPECIAL[self.name, name] for name in shortest if (self.name, name) in SPECIAL}
        return {name: value for name, value in (shortest | special).items() if name != argument or lacking}

    @property
    def plan(self) -> Json:
        """What makes a call write nothing; a tool that takes two calls writes nothing in the first one."""
        return {"dry_run": True} if "dry_run" in self.properties else {}

    def with_(self, argument: str, value: Any) -> Json:
        """A call that succeeds with a valid value of this argument."""
        if (self.name, argument) in DEPENDENT:
            example = min((each for each in self.examples if argument in each), key=len)
            return {**example, argument: value}
        # Of arguments that exclude each other or of which one is needed, an example has just this one.
        alone = next((each for each in self.examples if each.keys() == {*self.required, argument}), None)
        return {**(alone or self.without(argument)), argument: value}

    def cells(self) -> Iterator[Cell]:
        for argument, schema in self.properties.items():
            yield from self._blanks(argument, schema)
            if argument == "confirm":
                # Only a preview knows a valid code; tests/writing/test_codes.py has what is none.
                continue
            for value in (self.valid(argument), *({7} if argument in self.required and _is_number(schema) else ())):
                yield from self._forms(argument, schema, value)
            yield from (self._refused(argument, value) for value in _bad(argument, schema, self.valid(argument)))
            yield from self._far_dates(argument, schema)
        yield from self._words()
        yield from self._keys()

    def _same(self, argument: str, value: Any, call: Json, like: Json, expected: tuple[Kind, ...] = ACCEPTED) -> Cell:
        """A call that does the same as another one; of a write its plan is compared."""
        plan = self.plan if argument != "dry_run" and expected != SERVICE else {}
        return Cell(argument, value, plan | call, expected, plan | like)

    def _refused(self, argument: str, value: Any, *says: str) -> Cell:
        """A call that is refused here, which a write really makes: a plan would send nothing anyway."""
        return Cell(argument, value, self.with_(argument, value), HERE, says=(argument, *says))

    def _blanks(self, argument: str, schema: Json) -> Iterator[Cell]:
        zero = [0] if schema.get("minimum") == 1 else []
        values = [*BLANK, *zero, *BLANK_JSON.get(schema["type"], ())]
        if argument in self.required:
            yield from (self._refused(argument, value) for value in values)
            return
        base = self.without(argument)
        # Without dry_run the write leaves, and the test has the service refuse every write.
        outcome = SERVICE if argument == "dry_run" else ACCEPTED
        yield from (self._same(argument, value, base | {argument: value}, base, outcome) for value in values)
        if self.plan and argument != "dry_run":
            yield self._same(argument, "", base | {argument: ""}, base, SERVICE)
        if schema["type"] == "object":
            ((key, item), *_) = self.valid(argument).items()
            for value in ("", "  ", None, [""]):
                yield self._same(argument, {key: value}, base | {argument: {key: value}}, base)
                mixed = {key: item, OTHER_KEY.get(argument, "Other"): value}
                yield self._same(argument, mixed, base | {argument: mixed}, base | {argument: {key: item}})

    def _forms(self, argument: str, schema: Json, valid: Any) -> Iterator[Cell]:
        """Other forms of a valid value, and for choices of every one."""
        plain = self.with_(argument, valid)
        # Number 7 is nobody: a read is refused by the service, the plan of a write is made.
        nobody = _is_number(schema) and argument in self.required and valid != self.valid(argument)
        expected = (*ACCEPTED, *SERVICE) if nobody else ACCEPTED
        for value in _other_forms(argument, schema, valid):
            yield self._same(argument, value, plain | {argument: value}, plain, expected)
        for choice in schema.get("items", schema).get("enum", ()):
            forms = (choice, choice.lower(), choice.upper(), f" {choice.title()} ", f"\t{choice}\n")
            for value in dict.fromkeys(forms):
                one = [choice] if schema["type"] == "array" else choice
                call = plain | NEEDED.get((self.name, choice), {})
                yield self._same(argument, value, call | {argument: value}, call | {argument: one})
        if argument in TEXTS:
            plan = self.plan
            for text in LIKE_JSON:
                yield Cell(argument, text, plain | plan | {argument: text}, ACCEPTED, holds=text)

    def _far_dates(self, argument: str, schema: Json) -> Iterator[Cell]:
        plan = self.plan
        either = (*ACCEPTED, *HERE, *SERVICE)
        if _is_range(argument):
            far = f"{FAR_DATES[0]}~{FAR_DATES[-1]}"
            yield Cell(argument, far, self.with_(argument, far), either, says=(argument,))
        for date in FAR_DATES:
            if _is_date(argument):
                yield Cell(argument, date, self.with_(argument, date), either, says=(argument,))
            elif argument == "timestamps" and schema["type"] == "object":
                value = dict.fromkeys(self.valid(argument), date)
                yield Cell(argument, value, plan | self.with_(argument, value), either, says=(argument,))

    def _words(self) -> Iterator[Cell]:
        """The words of the operations pages, beside the argument that takes their place and instead of it."""
        for word, value, places in WORDS:
            found = [name for name in places if name in self.properties]
            if not found or word in self.properties:
                continue
            base = self.without()
            calls = [base, {name: given for name, given in base.items() if name not in found}]
            for call in calls if calls[0] != calls[1] else calls[:1]:
                yield Cell(word, value, call | {word: value}, HERE, says=(word, "|".join(found)))
        for argument in ("status_category", "category"):
            if argument in self.properties:
                yield from (self._refused(argument, value, "live") for value in ("active", " Active ", ["active"]))

    def _keys(self) -> Iterator[Cell]:
        base = self.without()
        for key in HOST_KEYS:
            for value in ("x", "", {"a": 1}):
                if key not in self.properties:
                    yield self._same(key, value, base | {key: value}, base)
        everything = {key: "x" for key in HOST_KEYS if key not in self.properties}
        yield self._same("all host keys", "x", base | everything, base)
        unknown = UNKNOWN | ({} if "dry_run" in self.properties else {"dry_run": True})
        for key, value in unknown.items():
            yield Cell(key, value, base | {key: value}, HERE, says=(key,), lists_known=True)
            yield Cell(key, value, base | everything | {key: value}, HERE, says=(key,), lists_known=True)


def _is_number(schema: Json) -> bool:
    return schema["type"] == "integer"


def _values_are(kind: str, schema: Json) -> bool:
    """Whether the values of a map are of this type."""
    values = schema["additionalProperties"]
    return isinstance(values, dict) and values.get("type") == kind


def _is_date(argument: str) -> bool:
    return re.fullmatch(r"\w+_at_[gl]te", argument) is not None


def _is_range(argument: str) -> bool:
    return re.fullmatch(r"\w+_at_range", argument) is not None


def _other_forms(argument: str, schema: Json, valid: Any) -> Iterator[Any]:  # noqa: C901  # a table
    match schema["type"]:
        case "integer":
            yield from (str(valid), float(valid), f" {valid} ", f"{valid}.0", [valid], [str(valid)])
        case "boolean":
            yield from (str(valid), str(valid).lower(), [valid])
        case "string":
            yield [valid]
            if argument in NAMES:
                yield from (f" {valid} ", f"\t{valid}\n", [f" {valid} "])
        case "array":
            yield from (valid[0], json.dumps(valid), f" {json.dumps(valid)} ")
            if argument in NAMES:
                yield from (f" {valid[0]} ", [f"\t{valid[0]}\n"])
        case "object":
            yield from (json.dumps(valid), f" {json.dumps(valid)} ")
            yield {f" {key}\t": item for key, item in valid.items()}
            if argument == "timestamps":
                return
            if _values_are("array", schema):
                yield {key: item[0] for key, item in valid.items()}
                yield {key: json.dumps(item) for key, item in valid.items()}
                yield {key: [f" {item[0]}\n"] for key, item in valid.items()}
            else:
                yield {key: f" {item}\n" for key, item in valid.items()}


def _bad(argument: str, schema: Json, valid: Any) -> Iterator[Any]:
    """Values that no tool may guess at."""
    if choices := schema.get("items", schema).get("enum"):
        yield from ("nonsense", [choices[0], "nonsense"], {"a": choices[0]})
    match schema["type"]:
        case "integer":
            yield from (*BAD_NUMBERS, *([schema["maximum"] + 1] if "maximum" in schema else []))
        case "boolean":
            yield from ("maybe", [True, False])
        case "string":
            yield from ([valid, "other"], {"name": valid})
            yield from BAD_DATES if _is_date(argument) else BAD_RANGES if _is_range(argument) else []
        case "array":
            yield {"name": valid[0]}
        case "object":
            yield from ("Payments", {key: {"name": item} for key, item in valid.items()})
            yield from [{key: [item, "other"] for key, item in valid.items()}] if _values_are("string", schema) else []
            yield from (dict.fromkeys(valid, date) for date in BAD_DATES if argument == "timestamps")


async def published(call: Caller, name: str, *, writes: bool) -> SloppyTool:
    """Read a tool off the list that a client gets."""
    schema = next(tool.input_schema for tool in (await call.client.list_tools()).tools if tool.name == name)
    found: Json = {}
    if "after" in schema["properties"]:
        found = {"after": (await call.ok(name, **EXAMPLES[name][0], limit=1))["after"]}
    return SloppyTool(name, writes, schema, EXAMPLES[name], found)
