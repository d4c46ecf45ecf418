from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, get
from litestar.di import NamedDependency

from polyagent.adapters.http.asks.paging import paged
from polyagent.adapters.http.call import Call
from polyagent.domain.audit import AuditEntry
from polyagent.domain.page import Page, PageAsk
from polyagent.usecases.audit import Audit


class AuditController(Controller):
    path = "/api/v1/audit"
    tags = ("Audit",)

    @get("/", permission="admin", operation_id="list_audit_entries")
    @inject
    async def list_entries(
        self, request: Call, page: NamedDependency[PageAsk], audit: FromDishka[Audit]
    ) -> Response[Page[AuditEntry]]:
        """Read the audit log

        Logins, refusals, use of keys, changes of users, and what administrators read.
        """
        return paged(request, await audit.list(request.user, page))
