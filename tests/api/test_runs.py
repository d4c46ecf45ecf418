import asyncio

from tests.api.client import LIMIT_S
from tests.api.house import House, some_id


async def test_a_run_goes_on_by_itself(house: House) -> None:
    made = await house.ann.post("/api/v1/runs", {"message": "hi", "metadata": {"ticket": 7}})
    path = made.headers["location"]
    await house.ann.get(f"{path}/events")

    run = await house.ann.get(path)

    assert made.status == 202
    assert set(run.json) == {
        *("id", "session_id", "parent_id", "agent_id", "agent_version", "status", "priority"),
        *("attempt", "step", "position", "message_id", "usage", "error", "approvals"),
        *("created_at", "started_at", "finished_at", "metadata"),
    }
    assert run.json["status"] == "completed"
    assert run.json["metadata"] == {"ticket": 7}


async def test_runs_are_listed_and_filtered(house: House) -> None:
    first = (await house.chat(house.ann, end_user="one")).json
    second = (await house.chat(house.ann, end_user="two")).json

    async def listed(query: str) -> list[str]:
        answer = await house.ann.get(f"/api/v1/runs?{query}")
        return [run["id"] for run in answer.json["items"]]

    assert await listed("") == [second["run_id"], first["run_id"]]
    assert await listed("order=asc") == [first["run_id"], second["run_id"]]
    assert await listed(f"session_id={first['session_id']}") == [first["run_id"]]
    assert await listed("end_user=two") == [second["run_id"]]
    assert await listed("status=failed") == []


async def test_filters_that_cannot_be_are_refused(house: House) -> None:
    for query in ("status=lost", "session_id=mine", f"end_user={'x' * 201}"):
        answer = await house.ann.get(f"/api/v1/runs?{query}")

        answer.as_problem(400, "invalid_request")


async def test_nobody_lists_the_runs_of_others_but_an_administrator(house: House) -> None:
    run_id = (await house.chat(house.ann)).json["run_id"]

    of_bob = await house.bob.get("/api/v1/runs")
    of_all = await house.root.get("/api/v1/runs")

    assert of_bob.json["items"] == []
    assert [run["id"] for run in of_all.json["items"]] == [run_id]


async def test_a_running_run_is_cancelled_and_again(house: House) -> None:
    house.models.gate.clear()
    made = await house.ann.post("/api/v1/runs", {"message": "hi"})
    path = made.headers["location"]
    async with asyncio.timeout(LIMIT_S):
        await house.models.asked.wait()

    cancelled = await house.ann.post(f"{path}/cancel")
    story = await house.ann.get(f"{path}/events")
    again = await house.ann.post(f"{path}/cancel")

    assert cancelled.status == 202
    assert b"event: run.cancelled" in story.body
    assert again.status == 202
    assert again.json["status"] == "cancelled"


async def test_a_finished_run_cannot_be_cancelled(house: House) -> None:
    run_id = (await house.chat(house.ann)).json["run_id"]

    answer = await house.ann.post(f"/api/v1/runs/{run_id}/cancel")

    answer.as_problem(409, "run_finished")


async def test_nobody_cancels_the_run_of_another(house: House) -> None:
    run_id = (await house.chat(house.ann)).json["run_id"]
    absent = str(some_id())

    hers, none = [await house.bob.post(f"/api/v1/runs/{each}/cancel") for each in (run_id, absent)]

    hers.as_problem(404, "not_found")
    assert hers.told(run_id) == none.told(absent)


async def test_a_user_with_too_many_queued_runs_is_told_to_wait(house: House) -> None:
    house.models.gate.clear()
    ask = {"message": "hi"}
    ask["session_id"] = (await house.ann.post("/api/v1/runs", ask)).json["session_id"]
    async with asyncio.timeout(LIMIT_S):
        await house.models.asked.wait()

    answers = [await house.ann.post("/api/v1/runs", ask) for _ in range(101)]
    others = await house.bob.post("/api/v1/runs", {"message": "hi"})
    house.models.gate.set()

    assert [answer.json["position"] for answer in answers[:-1]] == list(range(1, 101))
    answers[-1].as_problem(429, "rate_limited")
    assert int(answers[-1].headers["retry-after"]) > 0
    assert others.status == 202
