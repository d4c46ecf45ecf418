"""Processes that are told to end, and such that sleep past their lease."""

import json
import signal
from contextlib import suppress

import httpx

from tests.e2e.house import ENDS, House, named
from tests.e2e.server import eventually


def test_a_stopped_gateway_hands_its_run_over_after_the_step_at_hand(house: House) -> None:
    label = named("drain")
    call = json.dumps({"label": label, "ms": 1500})
    ask = {"tools": ["ledger_once"]}
    with house.streaming(house.gateway(1), f"call ledger_once {call}\nsay moved", **ask) as stream:
        last = stream.until("tool.called")
        eventually("the call is under way", lambda: house.executions(label))

        house.member("gateway-1").terminate()
        lines = stream.last_lines()
    assert house.member("gateway-1").ended() == 0
    rest = house.story(stream.run_id, after=last["id"])
    house.restarts("gateway-1")

    assert lines[-1].startswith("retry:")
    assert [event["reason"] for event in rest if event["type"] == "run.resumed"] == ["handover"]
    assert rest[-1]["type"] == "run.completed"
    assert house.executions(label) == ["begun", "ended"]
    assert house.run(stream.run_id)["attempt"] == 1


def test_a_step_that_is_longer_than_the_drain_is_begun_anew_elsewhere(
    house: House, model_control: httpx.Client
) -> None:
    place = named("long")
    with house.streaming(house.gateway(2), f"hold {place}") as stream:
        model_control.get(f"/arrived/{place}")

        house.member("gateway-2").terminate()
        lines = stream.last_lines()
    assert house.member("gateway-2").ended() == 0
    model_control.post(f"/release/{place}")
    rest = house.story(stream.run_id)
    house.restarts("gateway-2")

    assert lines[-1].startswith("retry:")
    (resumed,) = [event for event in rest if event["type"] == "run.resumed"]
    assert (resumed["reason"], resumed["discard_step"]) == ("handover", 1)
    assert rest[-1]["type"] == "run.completed"


def test_a_stopping_gateway_loses_nothing_that_it_admits(house: House) -> None:
    accepted: list[httpx.Response] = []
    refusals: list[httpx.Response] = []
    gateway = house.gateway(1)
    house.member("gateway-1").terminate()
    with suppress(httpx.TransportError):
        while True:
            answer = house.http.post(f"{gateway}/api/v1/runs", json={"message": "say late"})
            (accepted if answer.is_success else refusals).append(answer)
    house.member("gateway-1").ended()
    house.restarts("gateway-1")

    stories = [house.story(answer.json()["id"]) for answer in accepted]

    assert {story[-1]["type"] for story in stories} <= {"run.completed"}
    assert {answer.status_code for answer in refusals} <= {503}
    assert all("retry-after" in answer.headers for answer in refusals)


def test_a_stopped_worker_hands_its_runs_over(house: House) -> None:
    everybody_is_busy = 5 * 4
    labels = [named(f"worker{n}") for n in range(everybody_is_busy)]
    calls = [json.dumps({"label": label, "ms": 3000}) for label in labels]
    runs = [
        house.asks(house.elsewhere, f"call ledger_once {call}\nsay moved", tools=["ledger_once"])
        for call in calls
    ]
    pid = house.member("worker-1").pid
    eventually("the worker has one", lambda: pid in {line.pid for line in house.ledger.read()})

    house.member("worker-1").terminate()
    assert house.member("worker-1").ended() == 0
    stories = [house.story(run["id"]) for run in runs]
    house.restarts("worker-1")

    assert {story[-1]["type"] for story in stories} == {"run.completed"}
    assert [house.executions(label) for label in labels] == [["begun", "ended"]] * len(labels)
    reasons = {e["reason"] for story in stories for e in story if e["type"] == "run.resumed"}
    assert reasons == {"handover"}


def test_a_process_that_wakes_after_its_lease_writes_nothing_more(
    house: House, model_control: httpx.Client
) -> None:
    place = named("sleeper")
    member = house.member("gateway-1")
    with (
        house.streaming(house.gateway(1), f"hold {place}") as stream,
        house.following(stream.run_id) as watched,
    ):
        model_control.get(f"/arrived/{place}")

        member.signal(signal.SIGSTOP)
        eventually("another has it", lambda: house.run(stream.run_id)["attempt"] == 2)
        model_control.post(f"/release/{place}")
        seen = watched.rest()
        member.signal(signal.SIGCONT)
        told = stream.rest()

    durable = [event for event in seen if "delta" not in event["type"]]
    assert [event["type"] for event in durable if event["type"] in ENDS] == ["run.completed"]
    assert [event for event in told if "delta" not in event["type"]] == durable
    assert house.story(stream.run_id)[-1] == seen[-1]
    ids = [event["id"] for event in told]
    assert ids == sorted(set(ids))


def test_a_once_call_of_a_process_that_sleeps_is_in_doubt_and_not_repeated(house: House) -> None:
    label = named("once")
    call = json.dumps({"label": label, "ms": 1000})
    member = house.member("gateway-2")
    with house.streaming(
        house.gateway(2), f"call ledger_once {call}\nsay done", tools=["ledger_once"]
    ) as stream:
        eventually("the call is under way", lambda: house.executions(label))

        member.signal(signal.SIGSTOP)
        story = house.story(stream.run_id)
        member.signal(signal.SIGCONT)

    (completed,) = [event for event in story if event["type"] == "tool.completed"]
    assert completed["state"] == "in_doubt"
    assert story[-1]["type"] == "run.completed"
    eventually("the sleeper ends its call", lambda: house.executions(label) == ["begun", "ended"])
