"""Teams."""

from .account import Routes
from .pages import list_page

ROUTES: Routes = {("GET", "/v3/teams"): lambda account, call: list_page(call, "teams", account.teams)}
SCOPES = {("GET", "/v3/teams"): ("catalog_entries.view",)}
