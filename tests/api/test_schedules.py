"""Schedules over HTTP."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from polyagent.domain.account import Actor
from polyagent.ports.store import Store
from polyagent.usecases.fire_schedules import FireSchedules
from tests.api.client import Answer, Client
from tests.api.house import House, some_id, without

TASK = {"kind": "chat", "payload": {"message": "hi", "metadata": {"a": 1, "b": 2}}}
NEW = {"name": "report", "cron": "30 7 * * 1-5", "timezone": "Europe/Berlin", "task": TASK}
PATH = "/api/v1/schedules"


async def makes(client: Client, **new: Any) -> Any:
    answer = await client.post(PATH, {**NEW, **new})
    assert answer.status == 201, answer.body
    return answer.json


def at(schedule: Any) -> str:
    return f"{PATH}/{schedule['id']}"


async def patches(client: Client, schedule: Any, patch: Any, **headers: str) -> Answer:
    return await client.request("PATCH", at(schedule), json=patch, headers=headers)


def instant(answer: Answer, field: str) -> datetime:
    return datetime.fromisoformat(answer.json[field])


async def owes(house: House, schedule: Any, since: timedelta) -> datetime:
    """Let its next instant have been so long ago, as after an outage."""
    store = await house.container.get(Store)
    async with store.begin(Actor.system()) as tx:
        found = await tx.schedules.get(UUID(schedule["id"]))
        then: datetime = (await tx.schedules.now()).replace(second=0, microsecond=0) - since
        await tx.schedules.change(found.id, found.ask(), next_fire_at=then, version=None)
    return then


async def test_a_schedule_is_made_read_listed_and_deleted(house: House) -> None:
    made = await house.ann.post(PATH, NEW)
    path = made.headers["location"]

    read = await house.ann.get(path)
    listed = await house.ann.get(PATH)
    deleted = await house.ann.request("DELETE", path)
    again = await house.ann.request("DELETE", path)

    assert made.status == 201
    assert path == at(made.json)
    assert made.headers["etag"] == read.headers["etag"] == '"1"'
    assert read.json == made.json
    assert listed.json["items"] == [made.json]
    assert (deleted.status, deleted.body) == (204, b"")
    again.as_problem(404, "not_found")


async def test_a_schedule_tells_when_it_fires_next(house: House) -> None:
    schedule = await makes(house.ann)

    fires = [datetime.fromisoformat(text) for text in schedule["next_fires"]]

    assert schedule["next_fire_at"] == schedule["next_fires"][0]
    assert schedule["next_fire_at"].endswith("Z")
    assert len(fires) == 5
    assert fires == sorted(fires)
    assert {at.hour for at in fires} <= {5, 6}
    assert (schedule["enabled"], schedule["catch_up"], schedule["end_at"]) == (True, "skip", None)
    assert (schedule["last_fire_at"], schedule["last_task_id"]) == (None, None)
    assert schedule["task"] | TASK == schedule["task"]


async def test_put_replaces_and_patch_merges(house: House) -> None:
    schedule = await makes(house.ann, catch_up="all", end_at="2090-01-01T00:00:00+01:00")
    assert schedule["end_at"] == "2089-12-31T23:00:00Z"

    patched = await patches(
        house.ann,
        schedule,
        {"end_at": None, "task": {"priority": 9, "payload": {"metadata": {"a": None}}}},
        content_type="application/merge-patch+json",
    )
    replaced = await house.ann.request("PUT", at(schedule), json={**NEW, "name": "other"})

    assert patched.headers["etag"] == '"2"'
    assert (patched.json["end_at"], patched.json["catch_up"]) == (None, "all")
    assert patched.json["task"]["priority"] == 9
    assert patched.json["task"]["payload"] == {"message": "hi", "metadata": {"b": 2}}
    assert replaced.headers["etag"] == '"3"'
    assert (replaced.json["name"], replaced.json["catch_up"]) == ("other", "skip")
    assert replaced.json["task"]["payload"] == TASK["payload"]


async def test_a_lost_update_is_refused(house: House) -> None:
    schedule = await makes(house.ann)
    await patches(house.ann, schedule, {"name": "other"}, if_match='"1"')

    late = (
        await patches(house.ann, schedule, {"name": "third"}, if_match='"1"'),
        await patches(house.ann, schedule, {"name": "other"}, if_match='W/"1"'),
        await house.ann.request("PUT", at(schedule), json=NEW, headers={"if_match": "1"}),
        await house.ann.request("DELETE", at(schedule), headers={"if_match": '"1"'}),
    )

    for answer in late:
        answer.as_problem(412, "precondition_failed")
    assert (await house.ann.get(at(schedule))).json["name"] == "other"
    kept = await house.ann.request("DELETE", at(schedule), headers={"if_match": 'W/"2"'})
    assert kept.status == 204


async def test_pause_and_resume(house: House) -> None:
    schedule = await makes(house.ann, cron="* * * * *", catch_up="all")
    await owes(house, schedule, timedelta(hours=3))

    paused = await house.ann.post(f"{at(schedule)}/pause")
    again = await house.ann.post(f"{at(schedule)}/pause")
    resumed = await house.ann.post(f"{at(schedule)}/resume")

    assert (paused.status, resumed.status) == (200, 200)
    assert (paused.json["enabled"], paused.json["next_fire_at"]) == (False, None)
    assert paused.json["next_fires"] == []
    assert again.json == paused.json
    assert again.headers["etag"] == paused.headers["etag"]
    assert resumed.json["enabled"]
    assert instant(resumed, "next_fire_at") > instant(resumed, "updated_at")


async def test_one_that_is_made_paused_does_not_fire(house: House) -> None:
    schedule = await makes(house.ann, enabled=False)

    assert schedule["next_fire_at"] is None
    resumed = await patches(house.ann, schedule, {"enabled": True})
    assert resumed.json["next_fire_at"] is not None


async def test_one_whose_end_is_past_does_not_fire(house: House) -> None:
    schedule = await makes(house.ann, end_at="0001-01-01T00:00:00Z")

    assert (schedule["enabled"], schedule["next_fire_at"]) == (True, None)
    assert schedule["end_at"] == "0001-01-01T00:00:00Z"
    goes_on = await patches(house.ann, schedule, {"end_at": "9999-12-31T23:59:59Z"})
    assert goes_on.json["next_fire_at"] is not None


async def test_another_cron_or_zone_computes_from_now(house: House) -> None:
    schedule = await makes(house.ann, cron="0 0 1 1 *", catch_up="all")
    await owes(house, schedule, timedelta(days=800))

    changed = await patches(house.ann, schedule, {"timezone": "Asia/Tokyo"})

    assert instant(changed, "next_fire_at") > instant(changed, "updated_at")


async def test_trigger_makes_a_task_now_and_leaves_the_rest(house: House) -> None:
    schedule = await makes(house.ann, enabled=False)

    answer = await house.ann.post(f"{at(schedule)}/trigger")

    assert answer.status == 202
    task = answer.json
    assert answer.headers["location"] == f"/api/v1/tasks/{task['id']}"
    assert (task["kind"], task["status"], task["payload"]) == ("chat", "queued", TASK["payload"])
    assert (task["schedule_id"], task["fire_at"]) == (schedule["id"], None)
    assert (await house.ann.get(at(schedule))).json == schedule


async def test_triggers_under_one_key_make_one_task(house: House) -> None:
    schedule = await makes(house.ann)

    answers = [
        await house.ann.post(f"{at(schedule)}/trigger", idempotency_key="once") for _ in range(2)
    ]
    other = await house.ann.post(f"{at(schedule)}/trigger")

    assert answers[0].json == answers[1].json
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert other.json["id"] != answers[0].json["id"]


async def test_what_fires_is_shown(house: House) -> None:
    schedule = await makes(house.ann, cron="* * * * *", catch_up="one")
    then = await owes(house, schedule, timedelta(minutes=3))

    fired = await (await house.container.get(FireSchedules))(Actor.system())

    after = (await house.ann.get(at(schedule))).json
    assert fired.tasks == 1
    assert datetime.fromisoformat(after["last_fire_at"]) >= then + timedelta(minutes=3)
    assert after["last_task_id"] is not None
    assert datetime.fromisoformat(after["next_fire_at"]) > datetime.fromisoformat(
        after["last_fire_at"]
    )
    assert after["version"] == 2  # `owes` made it: firing is no change


@pytest.mark.parametrize(
    "cron",
    [
        *("", "x", "* * * *", "* * * * * *", "0 0 L * *", "0 0 * * 1#5", "60 * * * *", "@reboot"),
        *("0 0 30 2 *", "0 0 31 2,4,6 *", "1," * 5000 + "1 * * * *"),
    ],
)
async def test_a_cron_that_is_none_is_refused_in_every_way(house: House, cron: str) -> None:
    schedule = await makes(house.ann)

    answers = (
        await house.ann.post(PATH, {**NEW, "name": "other", "cron": cron}),
        await patches(house.ann, schedule, {"cron": cron}),
        await house.ann.request("PUT", at(schedule), json={**NEW, "cron": cron}),
    )

    for answer in answers:
        problem = answer.as_problem(422, "cron_invalid")
        assert [fault["pointer"] for fault in problem["errors"]] == ["#/cron"]
    assert (await house.ann.get(at(schedule))).json == schedule


@pytest.mark.parametrize(
    "timezone",
    [
        *("", "Europe", "US", "europe/berlin", "UTC ", "+02:00", "localtime", "posixrules"),
        *("right/UTC", "Factory", "zone.tab", "../UTC", "Europe//Berlin", "x" * 300),
    ],
)
async def test_a_zone_that_is_none_is_refused_in_every_way(house: House, timezone: str) -> None:
    schedule = await makes(house.ann)

    answers = (
        await house.ann.post(PATH, {**NEW, "name": "other", "timezone": timezone}),
        await patches(house.ann, schedule, {"timezone": timezone}),
        await house.ann.request("PUT", at(schedule), json={**NEW, "timezone": timezone}),
    )

    for answer in answers:
        problem = answer.as_problem(422, "timezone_unknown")
        assert [fault["pointer"] for fault in problem["errors"]] == ["#/timezone"]


@pytest.mark.parametrize(
    ("cron", "timezone", "instant"),
    [
        ("30 2 28 3 *", "Europe/Berlin", "03-28T01:00:00Z"),
        ("0 0 29 2 *", "UTC", "02-29T00:00:00Z"),
        ("15 2 3 10 *", "Australia/Lord_Howe", "10-02T15:30:00Z"),
    ],
)
async def test_daylight_saving_is_in_the_answer(
    house: House, cron: str, timezone: str, instant: str
) -> None:
    schedule = await makes(house.ann, cron=cron, timezone=timezone)

    # the days of the year on which clocks change wander: those of 2027 are pinned
    pinned = instant if cron.startswith("0 0") else f"2027-{instant}"
    assert any(text.endswith(pinned) for text in schedule["next_fires"])


@pytest.mark.parametrize(
    ("change", "status", "code", "pointer"),
    [
        ({"bogus": 1}, 400, "invalid_request", "#/bogus"),
        ({"name": " "}, 400, "invalid_request", None),
        ({"enabled": None}, 400, "invalid_request", "#/enabled"),
        ({"catch_up": "some"}, 400, "invalid_request", "#/catch_up"),
        ({"cron": 5}, 400, "invalid_request", "#/cron"),
        ({"end_at": "2030-01-01T00:00:00"}, 400, "invalid_request", "#/end_at"),
        ({"end_at": "9999-12-31T23:59:59-01:00"}, 400, "invalid_request", None),
        ({"end_at": 1e300}, 400, "invalid_request", "#/end_at"),
        ({"next_fire_at": "2030-01-01T00:00:00Z"}, 400, "invalid_request", "#/next_fire_at"),
        ({"task": {**TASK, "run_at": "2030-01-01T00:00:00Z"}}, 400, "invalid_request", "#/task/run_at"),
        ({"task": {**TASK, "delay_s": 1}}, 400, "invalid_request", "#/task/delay_s"),
        ({"task": {**TASK, "unique_key": "k"}}, 400, "invalid_request", "#/task/unique_key"),
        ({"task": {**TASK, "priority": 10}}, 400, "invalid_request", "#/task/priority"),
        ({"task": {"kind": "chat", "payload": {}}}, 400, "invalid_request", "#/task/payload/message"),
        ({"task": {"kind": "nonsense"}}, 422, "kind_unknown", "#/task/kind"),
        (
            {"task": {"kind": "tool", "payload": {"name": "nonsense", "arguments": {}}}},
            422,
            "tool_unknown",
            "#/task/payload/name",
        ),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused(
    house: House, change: Any, status: int, code: str, pointer: str | None
) -> None:
    answer = await house.ann.post(PATH, {**NEW, **change})

    problem = answer.as_problem(status, code)
    if pointer is not None:
        assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


@pytest.mark.parametrize("field", ["name", "cron", "timezone", "task"])
async def test_what_is_required_is_asked_for(house: House, field: str) -> None:
    answer = await house.ann.post(PATH, without(NEW, field))

    answer.as_problem(400, "invalid_request")


@pytest.mark.parametrize("written", [b'"\\ud800"', b'"\\u0000"'])
@pytest.mark.parametrize("field", ["cron", "timezone"])
async def test_what_no_text_may_hold_is_malformed(house: House, field: str, written: bytes) -> None:
    body = msgspec.json.encode({**NEW, field: "X"}).replace(b'"X"', written)

    answer = await house.ann.request("POST", PATH, content=body)

    answer.as_problem(400, "invalid_request")


async def test_a_name_is_taken_once_per_owner(house: House) -> None:
    await makes(house.ann)
    other = await makes(house.ann, name="other")

    (await house.ann.post(PATH, {**NEW, "name": " report "})).as_problem(409, "name_taken")
    (await patches(house.ann, other, {"name": "report"})).as_problem(409, "name_taken")
    await makes(house.bob)


async def test_others_do_not_see_it_and_an_administrator_does(house: House) -> None:
    schedule = await makes(house.ann)

    for answer in (
        await house.bob.get(at(schedule)),
        await patches(house.bob, schedule, {"name": "mine"}),
        await house.bob.request("PUT", at(schedule), json=NEW),
        await house.bob.request("DELETE", at(schedule)),
        await house.bob.post(f"{at(schedule)}/pause"),
        await house.bob.post(f"{at(schedule)}/resume"),
        await house.bob.post(f"{at(schedule)}/trigger"),
        await house.ann.get(f"{PATH}/{some_id()}"),
    ):
        answer.as_problem(404, "not_found")
    assert (await house.bob.get(PATH)).json["items"] == []
    assert (await house.root.get(at(schedule))).json == schedule
    triggered = await house.root.post(f"{at(schedule)}/trigger")
    assert triggered.json["user_id"] == schedule["user_id"]


async def test_an_administrator_who_changes_what_is_anothers_is_noted(house: House) -> None:
    schedule = await makes(house.ann)

    await patches(house.root, schedule, {"name": "other"})
    await house.root.post(f"{at(schedule)}/trigger")
    await house.root.request("DELETE", at(schedule))

    entries = (await house.root.get("/api/v1/audit")).json["items"]
    noted = [entry["action"] for entry in entries if entry["object"] == schedule["id"]]
    assert noted == ["schedule.deleted", "schedule.triggered", "schedule.changed"]


async def test_a_viewer_reads_and_makes_none(house: House) -> None:
    assert (await house.vic.get(PATH)).status == 200
    (await house.vic.post(PATH, NEW)).as_problem(403, "forbidden")


async def test_schedules_come_in_pages(house: House) -> None:
    made = [await makes(house.ann, name=f"{n}") for n in range(3)]

    first = await house.ann.get(f"{PATH}?limit=2")
    rest = await house.ann.get(f"{PATH}?limit=2&cursor={first.json['next_cursor']}")

    assert first.json["items"] + rest.json["items"] == made[::-1]
    assert rest.json["next_cursor"] is None
    assert 'rel="next"' in first.headers["link"]


async def test_changes_at_once_are_all_made_or_refused(house: House) -> None:
    schedule = await makes(house.ann)

    answers = await asyncio.gather(
        *(patches(house.ann, schedule, {"task": {"priority": n}}) for n in range(8)),
        *(patches(house.ann, schedule, {"name": f"{n}"}, if_match='"1"') for n in range(8)),
    )

    assert {answer.status for answer in answers} <= {200, 412}
    changed = sum(answer.status == 200 for answer in answers)
    now = (await house.ann.get(at(schedule))).json["version"]
    assert now in (changed, changed + 1)  # priority 5 is what it had: no change
