"""`python -m incident_mcp` is `incident-mcp`."""

import sys

from incident_mcp.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
