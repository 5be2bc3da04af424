"""What makes the writes of one caller safe."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from incident_mcp.writing.audit import AuditLog

from incident_mcp.errors import join_sentences
from incident_mcp.writing.codes import ConfirmationCodes
from incident_mcp.writing.journal.protocol import Journal
from incident_mcp.writing.limits import WriteLimit
from incident_mcp.writing.plan import WritePlan


@dataclass
class WriteSafety:
    """The journal, limits, confirmation codes and audit log of one caller.

    A server for several callers makes one for each.
    """

    journal: Journal
    declaration_limit: WriteLimit
    write_limit: WriteLimit
    """For all writes except declarations."""
    codes: ConfirmationCodes
    """Issues and checks confirmation codes."""
    audit: "AuditLog | None" = None

    def limit_for(self, plan: WritePlan[Any, Any]) -> WriteLimit:
        """Return the limit that a write counts towards."""
        return self.declaration_limit if plan.declares else self.write_limit

    @property
    def journal_trouble(self) -> str | None:
        """Why the journal could not be saved, and what that means for a repeat of the call."""
        trouble = self.journal.trouble
        return trouble and f"{trouble}; {self.journal.consequence}"

    @property
    def trouble(self) -> str | None:
        """What is wrong with the audit log and the journal."""
        return join_sentences(self.audit and self.audit.trouble, self.journal_trouble) or None
