"""PolyAgent as a library, over memory."""

import asyncio
import logging

import pytest
import structlog
from dishka import Provider, Scope, provide

from polyagent.app import App, PolyAgent, ScriptedModels, called, in_memory, said
from polyagent.domain.account import Actor, NewUser
from polyagent.domain.agent import NewAgent
from polyagent.domain.chat import Ask
from polyagent.domain.errors import ModelServiceUnavailable, NotFound, ToolUnknown
from polyagent.domain.event import MessageDelta, RunCompleted, RunStarted, ToolCompleted
from polyagent.domain.page import PageAsk
from polyagent.domain.tool import CallContext, ExecuteTool
from polyagent.ports.clock import Clock
from polyagent.ports.models import Models
from polyagent.ports.tools import Tools
from polyagent.settings import Limits, Settings, SettingsError
from polyagent.usecases.accounts import ManageAccounts
from polyagent.usecases.agents import ManageAgents
from polyagent.usecases.health import CheckHealth
from polyagent.usecases.sessions import ManageSessions
from polyagent.usecases.tools import UseTools

shop = App()


@shop.tool(effect="read")
def order_status(number: int, context: CallContext) -> str:
    """Tells where an order is."""
    return f"Order {number} is on its way ({context.idempotency_key})."


async def user(app: PolyAgent, name: str) -> Actor:
    accounts = await app.get(ManageAccounts)
    new = NewUser(username=name, email=f"{name}@shop.example", password="long-enough")
    made = await accounts.create(app.actor, new)
    return Actor(user_id=made.id, workspace_id=made.workspace_id, role=made.role)


async def test_without_a_script_it_answers_with_an_echo() -> None:
    async with in_memory() as app:
        answer = await app.ask("Hello")

    assert answer.status == "completed"
    assert answer.message is not None
    assert answer.message.content == "You said: Hello"
    assert answer.usage.total_tokens > 0


async def test_a_session_goes_on_and_the_model_hears_what_was_said() -> None:
    models = ScriptedModels()

    async with in_memory(models=models) as app:
        first = await app.ask("one")
        await app.ask(Ask(message="two", session_id=first.session_id))

        assert first.session_id is not None
        sessions = await app.get(ManageSessions)
        page = await sessions.messages(app.actor, first.session_id, PageAsk(limit=10, order="asc"))

    assert [message.content for message in page.items] == [
        *("one", "You said: one"),
        *("two", "You said: two"),
    ]
    assert [message.role for message in models.prompts[1].messages] == [
        *("system", "user", "assistant", "user")
    ]


async def test_a_stream_tells_what_happens_as_it_happens() -> None:
    models = ScriptedModels(called("order_status", number=7), said("It is ", "on its way."))

    async with in_memory(shop, models=models) as app:
        agents = await app.get(ManageAgents)
        agent = await agents.create(app.actor, NewAgent(name="clerk", tools=("order_status",)))
        ask = Ask(message="Where is 7?", agent_id=agent.id)
        bodies = [event.body async for event in app.stream(ask)]

    kinds = [type(body) for body in bodies]
    (call,) = [body for body in bodies if isinstance(body, ToolCompleted)]
    assert (kinds[0], kinds[-1]) == (RunStarted, RunCompleted)
    assert [body.text for body in bodies if isinstance(body, MessageDelta)] == [
        *("It is ", "on its way.")
    ]
    assert call.state == "done"
    assert call.result.startswith("Order 7 is on its way (")


@pytest.mark.parametrize("agent", ["built-in", "custom"])
async def test_an_own_tool_is_offered_to_the_model_by_whoever_names_it(agent: str) -> None:
    models = ScriptedModels()

    async with in_memory(shop, models=models) as app:
        if agent == "custom":
            agents = await app.get(ManageAgents)
            made = await agents.create(app.actor, NewAgent(name="clerk", tools=("order_status",)))
            await app.ask(Ask(message="Where?", agent_id=made.id))
        else:
            await app.ask(Ask(message="Where?", agent_type="general", tools=("order_status",)))

    assert [tool.name for tool in models.prompts[0].tools] == ["order_status"]


async def test_an_own_tool_may_be_called_by_hand() -> None:
    async with in_memory(shop) as app:
        tools = await app.get(UseTools)
        ask = ExecuteTool(name="order_status", arguments={"number": 3})
        executed = await tools.execute(app.actor, ask)

    assert executed.state == "done"
    assert executed.result.startswith("Order 3")


async def test_each_acts_for_itself() -> None:
    async with in_memory() as app:
        ann, bob = await user(app, "ann"), await user(app, "bob")
        answer = await app.ask("mine", actor=ann)

        with pytest.raises(NotFound):
            await app.ask(Ask(message="and mine", session_id=answer.session_id), actor=bob)


async def test_a_run_that_fails_is_an_answer_that_says_why() -> None:
    models = ScriptedModels([ModelServiceUnavailable("It refused the connection.")])

    async with in_memory(models=models) as app:
        answer = await app.ask("Hello")

    assert answer.status == "failed"
    assert answer.error is not None
    assert (answer.error.code, answer.error.detail) == (
        "model_service_unavailable",
        "It refused the connection.",
    )


async def test_what_cannot_be_admitted_is_raised() -> None:
    async with in_memory() as app:
        with pytest.raises(ToolUnknown, match="order_status"):
            await app.ask(Ask(message="Where?", tools=("order_status",)))


async def test_one_who_stops_listening_ends_no_run() -> None:
    async with in_memory(models=ScriptedModels(said("a", "b", "c"))) as app:
        events = app.stream("Hello")
        first = await anext(events)
        await events.aclose()
        sessions = await app.get(ManageSessions)
        assert first.session_id is not None

        async with asyncio.timeout(30):
            while (await sessions.get(app.actor, first.session_id)).message_count < 2:
                await asyncio.sleep(0)


async def test_settings_and_overrides_count() -> None:
    class Ours(Provider):
        scope = Scope.APP

        @provide
        def models(self) -> Models:
            return ScriptedModels(said("ours"))

    settings = Settings(limits=Limits(max_steps=1))

    async with in_memory(Ours(), shop, settings=settings) as app:
        answer = await app.ask("Hello")

        assert (await app.get(Limits)).max_steps == 1
    assert answer.message is not None
    assert answer.message.content == "ours"


async def test_nothing_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYAGENT_APP", "no.such:thing")

    async with in_memory() as app:
        tools: Tools = await app.get(Tools)

    assert {tool.source for tool in tools.list()} == {"builtin"}


async def test_providers_that_do_not_fit_are_refused_before_anything_begins() -> None:
    class Demanding(Provider):
        scope = Scope.APP

        @provide
        def clock(self, tune: bytearray) -> Clock:
            raise AssertionError(tune)

    with pytest.raises(SettingsError, match="bytearray"):
        async with in_memory(Demanding()):
            raise AssertionError


async def test_it_is_well() -> None:
    async with in_memory() as app:
        health = await (await app.get(CheckHealth))()

    assert health.status == "ok"


async def test_two_at_once_share_nothing() -> None:
    async with in_memory() as one, in_memory() as other:
        answer = await one.ask("Hello")

        with pytest.raises(NotFound):
            await other.ask(Ask(message="again", session_id=answer.session_id))


async def test_its_logs_are_the_programs(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    structlog.reset_defaults()
    broken = App()

    @broken.tool
    def breaks() -> None:
        """Breaks."""
        raise KeyError("why")

    with caplog.at_level(logging.INFO):
        async with in_memory(broken) as app:
            await (await app.get(UseTools)).execute(app.actor, ExecuteTool(name="breaks"))

    assert capsys.readouterr().out == ""
    (record,) = [each for each in caplog.records if each.name == "polyagent.tools"]
    assert record.levelno == logging.ERROR
    assert "tool=breaks" in record.getMessage()
    assert "KeyError: 'why'" in record.getMessage()
