"""The command line. Heavy modules are imported only by the commands that need them."""

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
        The exit code: 0; 1 if a tool or a step failed; 2 for a usage or settings error.
    """
    prepare()
    options = _parser().parse_args(argv)
    # Building schema models allocates a lot and frees nothing: garbage collection would add 5 % to startup.
    gc.disable()
    from incident_mcp.errors import SettingError  # noqa: PLC0415  # after --help and --version

    try:
        return _COMMANDS[options.command](options)
    except SettingError as error:
        complain(f"incident-mcp: {error}")  # stdout may carry the protocol
        return 2
    except NotWritten as error:
        if not isinstance(error.__cause__, BrokenPipeError):  # silent if the reader closed the pipe (`| head`)
            complain(f"incident-mcp {options.command}: the output could not be written to stdout ({error}).")
        discard_stdout()
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="incident-mcp",
        description="Run incidents in incident.io and Ionhour. Without a command, serve MCP on stdio.",
        epilog="Settings are environment variables; see README.md.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    sandbox = argparse.ArgumentParser(add_help=False)
    sandbox.add_argument(
        "--sandbox", action="store_true", default=argparse.SUPPRESS, help="use the built-in sandbox; needs no key"
    )
    parser.add_argument("--sandbox", action="store_true", help="use the built-in sandbox; needs no key")
    parser.set_defaults(command="stdio")
    commands = parser.add_subparsers(title="commands", metavar="")
    demo = commands.add_parser("demo", help="take an incident from alert to close on the sandbox")
    demo.add_argument("--full", action="store_true", help="walk an outage of three hours up to its post-mortem")
    demo.set_defaults(command="demo")
    tools = commands.add_parser("tools", parents=[sandbox], help="list the tools that the settings enable")
    tools.add_argument("--json", action="store_true", help="print the tools and their schemas as JSON")
    tools.set_defaults(command="tools")
    call = commands.add_parser("call", parents=[sandbox], help="call one tool and print its result as JSON")
    call.add_argument("tool", metavar="TOOL")
    call.add_argument("pairs", nargs="*", metavar="key=value", help="tool arguments; pass lists and objects as JSON")
    call.add_argument("--json", metavar="OBJECT", help="all arguments as one JSON object")
    call.set_defaults(command="call")
    replay = commands.add_parser("replay", help="serve what was recorded with INCIDENT_MCP_RECORD; needs no key")
    replay.add_argument("file", metavar="FILE", type=Path)
    replay.add_argument("--check", action="store_true", help="call everything again and compare the answers")
    replay.set_defaults(command="replay")
    serving = "serve a team over HTTP (needs incident-mcp[server])"
    _add_serve(commands.add_parser("serve", parents=[sandbox], help=serving))
    audit = commands.add_parser("audit", help="check an audit log (see INCIDENT_MCP_AUDIT_LOG)")
    verify = audit.add_subparsers(required=True, metavar="verify").add_parser(
        "verify", help="check that a log is intact, or report its first bad line"
    )
    verify.add_argument("file", metavar="FILE", type=Path)
    verify.set_defaults(command="audit")
    _add_token(commands.add_parser("token", help="create, list and revoke static tokens of the team server"))
    return parser


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--host", default="127.0.0.1", help="the address to bind to (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=8000, help="the port (default: 8000)")
    serve.add_argument("--workers", type=int, default=1, help="processes; more than one needs INCIDENT_MCP_REDIS_URL")
    serve.set_defaults(command="serve")


def _add_token(token: argparse.ArgumentParser) -> None:
    actions = token.add_subparsers(required=True, metavar="new|list|revoke")
    file = argparse.ArgumentParser(add_help=False)
    file.add_argument("--file", metavar="FILE", type=Path, help="the token file (default: INCIDENT_MCP_TOKENS_FILE)")
    new = actions.add_parser("new", parents=[file], help="create a token and print it once")
    new.add_argument("--name", required=True, help="whose token it is; shown in the audit log")
    new.add_argument("--role", required=True, choices=("reader", "responder", "pager"))
    new.add_argument("--days", type=int, metavar="N", help="days until it expires (default: never)")
    new.set_defaults(command="token", action="new")
    listing = actions.add_parser("list", parents=[file], help="list names, roles and expiry")
    listing.set_defaults(command="token", action="list")
    revoke = actions.add_parser("revoke", parents=[file], help="revoke a token; running servers notice it")
    revoke.add_argument("--name", required=True)
    revoke.set_defaults(command="token", action="revoke")


def _stdio(options: argparse.Namespace) -> int:
    if sys.stdin is None or sys.stdout is None:
        complain("incident-mcp: stdin or stdout is closed; MCP on stdio needs both.")
        return 2
    settings = _settings(options)
    if sys.stdin.isatty():
        complain(_ON_A_TERMINAL)
    from incident_mcp.serving.stdio import serve  # noqa: PLC0415

    return serve(settings)


def _demo(options: argparse.Namespace) -> int:
    from incident_mcp.sandbox.demo import run  # noqa: PLC0415

    with printing():
        return run(full=options.full)


def _tools(options: argparse.Namespace) -> int:
    from incident_mcp.commands.tools import print_tools  # noqa: PLC0415

    settings = _settings(options)
    with printing():
        return print_tools(settings, as_json=options.json)


def _call(options: argparse.Namespace) -> int:
    from incident_mcp.commands.call import call  # noqa: PLC0415

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


def _replay(options: argparse.Namespace) -> int:
    from incident_mcp.commands.replay import replay  # noqa: PLC0415

    return replay(options.file, check=options.check)


def _token(options: argparse.Namespace) -> int:
    from incident_mcp.commands.token import list_tokens, new, revoke, tokens_file  # noqa: PLC0415

    path = tokens_file(options.file, os.environ)
    if options.action == "new":
        return new(path, options.name, options.role, options.days)
    return list_tokens(path) if options.action == "list" else revoke(path, options.name)


def _serve(options: argparse.Namespace) -> int:
    if getattr(options, "sandbox", False):
        os.environ["INCIDENT_MCP_SANDBOX"] = "1"
    try:
        from incident_mcp.commands.serve import serve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        complain(f"incident-mcp serve: {error.name} is not installed. Install incident-mcp[server].")
        return 2
    host = options.host.strip().removeprefix("[").removesuffix("]")
    if not host or options.workers < 1 or not 0 <= options.port < 2**16:
        complain("incident-mcp serve: --host takes an address, --workers 1 or more, --port 0 to 65535.")
        return 2
    gc.enable()
    return serve(host, options.port, options.workers)


def _settings(options: argparse.Namespace) -> "Settings":
    from incident_mcp.settings import Settings  # noqa: PLC0415

    return Settings.from_env(os.environ, sandbox=options.sandbox)


_ON_A_TERMINAL = """\
incident-mcp serves MCP on stdio and is waiting for messages from an MCP host. Press Ctrl-D to stop.
To set up a host, let it run this command with INCIDENTIO_API_KEY, IONHOUR_API_KEY or both set (see README.md).
To try it without a key: `incident-mcp demo` or `incident-mcp call --sandbox situation`. Help: `incident-mcp --help`."""
_COMMANDS = {
    "stdio": _stdio,
    "demo": _demo,
    "tools": _tools,
    "call": _call,
    "audit": _audit,
    "replay": _replay,
    "token": _token,
    "serve": _serve,
}
