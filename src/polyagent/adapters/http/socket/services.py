"""What a socket works with."""

from typing import Self

import msgspec
from dishka import AsyncContainer

from polyagent.adapters.http.drain import Drain
from polyagent.adapters.http.rates import RequestRates
from polyagent.adapters.http.reader import Reader
from polyagent.ports.clock import Clock
from polyagent.usecases.audit import Audit
from polyagent.usecases.authenticate import Authenticate
from polyagent.usecases.chat import SendChat
from polyagent.usecases.follow_run import FollowRun
from polyagent.usecases.runs import ManageRuns
from polyagent.usecases.sessions import ManageSessions
from polyagent.usecases.tickets import ManageTickets


class Services(msgspec.Struct, frozen=True, kw_only=True):
    clock: Clock
    audit: Audit
    authenticate: Authenticate
    tickets: ManageTickets
    sessions: ManageSessions
    chat: SendChat
    runs: ManageRuns
    follow: FollowRun
    reader: Reader
    rates: RequestRates

    @classmethod
    async def of(cls, container: AsyncContainer, drain: Drain, rates: RequestRates) -> Self:
        follow = await container.get(FollowRun)
        return cls(
            clock=await container.get(Clock),
            audit=await container.get(Audit),
            authenticate=await container.get(Authenticate),
            tickets=await container.get(ManageTickets),
            sessions=await container.get(ManageSessions),
            chat=await container.get(SendChat),
            runs=await container.get(ManageRuns),
            follow=follow,
            reader=Reader(follow, drain),
            rates=rates,
        )
