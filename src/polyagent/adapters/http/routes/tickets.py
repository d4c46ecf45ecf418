from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, post
from litestar.params import JSONBody

from polyagent.adapters.http.call import Call
from polyagent.domain.ticket import NewTicket, Ticket
from polyagent.usecases.tickets import ManageTickets


class TicketController(Controller):
    path = "/api/v1/tickets"
    tags = ("Tickets",)

    @post("/", permission="chat", operation_id="create_ticket")
    @inject
    async def create(
        self, request: Call, data: JSONBody[NewTicket], tickets: FromDishka[ManageTickets]
    ) -> Ticket:
        """Make a ticket

        For a browser's `EventSource` and `WebSocket`, which send no header: give it as `?ticket=` at
        the address that it is for. It is good once, for 30 seconds.
        """
        return await tickets.make(request.user, request.auth, data)
