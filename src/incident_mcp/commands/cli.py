"""The command line; nothing heavy is imported before it is known that the command needs it."""

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from incident_mcp import __version__
from incident_mcp.commands.console import NotWritten, complain, discard_stdout, prepare, printing, put

if TYPE_CHECKING:
    from incident_mcp.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run `incident-mcp`.

    Returns:
        The exit code: 0, 1 when a tool or a step failed, 2 for usage and settings.
    """
    prepare()
    options = _parser().parse_args(argv)
    # Building schema models allocates much and frees nothing: collections in between are 5 % of the start.
    gc.disable()
    from incident_mcp.errors import SettingError  # noqa: PLC0415  # after --help and --version

    try:
        return _COMMANDS[options.command](options)
    except SettingError as error:
        complain(f"incident-mcp: {error}")  # stdout may be the protocol
        return 2
    except NotWritten as error:
        if not isinstance(error.__cause__, BrokenPipeError):  # else its reader has seen enough (`| head`)
            complain(f"incident-mcp {options.command}: the output could not be written to stdout ({error}).")
        discard_stdout()
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="incident-mcp",
        description="Run incidents in incident.io and Ionhour. Without a command: serve MCP on stdio.",
        epilog="Settings come from the environment; see the README.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    sandbox = argparse.ArgumentParser(add_help=False)
    sandbox.add_argument(
        "--sandbox", action="store_true", default=argparse.SUPPRESS, help="made-up incidents in memory; no key needed"
    )
    parser.add_argument("--sandbox", action="store_true", help="made-up incidents in memory; no key needed")
    parser.set_defaults(command="stdio")
    commands = parser.add_subparsers(title="commands", metavar="")
    demo = commands.add_parser("demo", help="walk an incident from alert to close on the sandbox")
    demo.set_defaults(command="demo")
    tools = commands.add_parser("tools", parents=[sandbox], help="list the tools that these settings offer")
    tools.add_argument("--json", action="store_true", help="with their schemas, as JSON")
    tools.set_defaults(command="tools")
    call = commands.add_parser("call", parents=[sandbox], help="call one tool and print its answer as JSON")
    call.add_argument("tool", metavar="TOOL")
    call.add_argument("pairs", nargs="*", metavar="key=value", help="arguments; lists and objects as JSON")
    call.add_argument("--json", metavar="OBJECT", help="the arguments as one JSON object, instead of pairs")
    call.set_defaults(command="call")
    audit = commands.add_parser("audit", help="check the audit log that INCIDENT_MCP_AUDIT_LOG names")
    verify = audit.add_subparsers(required=True, metavar="verify").add_parser(
        "verify", help="say that a log is intact, or name its first bad line"
    )
    verify.add_argument("file", metavar="FILE", type=Path)
    verify.set_defaults(command="audit")
    return parser


def _stdio(options: argparse.Namespace) -> int:
    if sys.stdin is None or sys.stdout is None:
        complain("incident-mcp: stdin or stdout is closed; MCP on stdio needs both.")
        return 2
    settings = _settings(options)
    if sys.stdin.isatty():
        complain(_ON_A_TERMINAL)
    from incident_mcp.serving.stdio import serve  # noqa: PLC0415

    return serve(settings)


def _demo(_: argparse.Namespace) -> int:
    from incident_mcp.sandbox.demo import run  # noqa: PLC0415

    with printing():
        return run()


def _tools(options: argparse.Namespace) -> int:
    from incident_mcp.commands.shell import print_tools  # noqa: PLC0415

    settings = _settings(options)
    with printing():
        return print_tools(settings, as_json=options.json)


def _call(options: argparse.Namespace) -> int:
    from incident_mcp.commands.shell import call  # noqa: PLC0415

    return call(_settings(options), options.tool, options.pairs, options.json)


def _audit(options: argparse.Namespace) -> int:
    from incident_mcp.writing.audit import verify  # noqa: PLC0415

    try:
        found = verify(options.file)
    except (OSError, ValueError) as error:
        complain(f"incident-mcp audit verify: {error}")
        return 2
    if found.problem:
        put(f"{options.file}: {found.problem}.")
        return 1
    put(f"{options.file}: intact, {found.lines} lines.")
    return 0


def _settings(options: argparse.Namespace) -> "Settings":
    from incident_mcp.settings import Settings  # noqa: PLC0415

    return Settings.from_env(os.environ, sandbox=options.sandbox)


_ON_A_TERMINAL = """\
incident-mcp serves MCP on stdin and stdout and now waits for an MCP host's messages; Ctrl-D ends it.
Set up a host: let it run this command with INCIDENTIO_API_KEY, IONHOUR_API_KEY or both in its environment (see README).
Try it without a key: `incident-mcp demo`, or `incident-mcp call --sandbox situation`. More: `incident-mcp --help`."""
_COMMANDS = {"stdio": _stdio, "demo": _demo, "tools": _tools, "call": _call, "audit": _audit}
