"""What every store does for schedules, and that what is due fires once, whoever fires it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from polyagent.adapters.kinds.registry import KnownKinds
from polyagent.domain.account import Actor
from polyagent.domain.cron import Cron
from polyagent.domain.errors import NameTaken, NotFound, PreconditionFailed, TooManyOpen
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.domain.schedule import Firing, NewSchedule, Schedule, made
from polyagent.domain.task import Task, TaskAsk, TaskDefaults, TaskToQueue
from polyagent.usecases.fire_schedules import PAGE, FireSchedules
from tests.contract.tenant import Tenant, read_all

DEFAULTS = TaskDefaults(max_attempts=4, timeout_s=30.0, queued_tasks=1000, schedules=10)
NOTE = TaskAsk(kind="note", payload={"text": "hi"}, priority=7, metadata={"a": [1]})
MINUTE = timedelta(minutes=1)
OFTEN: Any = {"cron": "* * * * *", "catch_up": "all"}


def firing(tenant: Tenant, *, most: int = DEFAULTS.queued_tasks) -> FireSchedules:
    return FireSchedules(tenant.store, KnownKinds([]), replace(DEFAULTS, queued_tasks=most))


async def keeps(
    tenant: Tenant, owner: Actor, *, late: timedelta | None = timedelta(), **ask: Any
) -> Schedule:
    """Keep a schedule whose next instant was so long ago: of those with a `cron`, at a full minute."""
    async with tenant.store.begin(owner) as tx:
        now = (await tx.schedules.now()).replace(microsecond=0)
        if "cron" in ask:
            now = now.replace(second=0)
        given = {"name": "yearly", "cron": "@yearly", "timezone": "UTC", "task": NOTE}
        schedule = made(
            NewSchedule(**{**given, **ask}),
            id=new_id(),
            workspace_id=tenant.id,
            user_id=owner.user_id,
            version=1,
            next_fire_at=None if late is None else now - late,
            created_at=now,
            updated_at=now,
        )
        await tx.schedules.add(schedule)
    return schedule


async def reads(tenant: Tenant, schedule: Schedule) -> Schedule:
    async with tenant.store.begin(tenant.system) as tx:
        return await tx.schedules.get(schedule.id)


async def tasks_of(tenant: Tenant, schedule: Schedule) -> Sequence[Task]:
    async with tenant.store.begin(tenant.system) as tx:
        tasks = await read_all(
            lambda page: tx.tasks.list(page, status=None, kind=None, end_user=None), limit=100
        )
    return [task for task in reversed(tasks) if task.schedule_id == schedule.id]


async def instants_of(tenant: Tenant, schedule: Schedule) -> Sequence[datetime | None]:
    return [task.fire_at for task in await tasks_of(tenant, schedule)]


async def test_a_schedule_is_read_as_it_was_made(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")

    schedule = await keeps(tenant, ann, catch_up="all", enabled=False, late=None)

    async with tenant.store.begin(ann) as tx:
        assert await tx.schedules.get(schedule.id) == schedule
        assert (await tx.schedules.list(PageAsk())).items == [schedule]


async def test_an_unknown_schedule_is_not_found(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    ask = (await keeps(tenant, ann)).ask()

    async with tenant.store.begin(ann) as tx:
        for attempt in (
            tx.schedules.get(new_id()),
            tx.schedules.get(new_id(), to_change=True),
            tx.schedules.change(new_id(), ask, next_fire_at=None, version=None),
            tx.schedules.delete(new_id(), version=None),
        ):
            with pytest.raises(NotFound):
                await attempt


async def test_a_change_makes_the_next_version(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    first = await keeps(tenant, ann)
    ask = replace(first.ask(), name="other", task=replace(NOTE, payload={}), enabled=False)

    async with tenant.store.begin(ann) as tx:
        second = await tx.schedules.change(first.id, ask, next_fire_at=None, version=1)

    assert second == replace(
        first, **_fields(ask), version=2, next_fire_at=None, updated_at=second.updated_at
    )
    assert await reads(tenant, first) == second


async def test_another_version_is_refused(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    schedule = await keeps(tenant, ann)

    for version in (0, 2):
        with pytest.raises(PreconditionFailed):
            async with tenant.store.begin(ann) as tx:
                await tx.schedules.change(
                    schedule.id, schedule.ask(), next_fire_at=None, version=version
                )
        with pytest.raises(PreconditionFailed):
            async with tenant.store.begin(ann) as tx:
                await tx.schedules.delete(schedule.id, version=version)

    assert await reads(tenant, schedule) == schedule


async def test_names_are_unique_per_owner(tenant: Tenant) -> None:
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    await keeps(tenant, ann)
    other = await keeps(tenant, ann, name="other")

    await keeps(tenant, ben)
    with pytest.raises(NameTaken):
        await keeps(tenant, ann)
    taken = replace(other.ask(), name="yearly")
    with pytest.raises(NameTaken):
        async with tenant.store.begin(ann) as tx:
            await tx.schedules.change(other.id, taken, next_fire_at=None, version=None)

    assert await reads(tenant, other) == other


async def test_only_its_owner_and_administrators_see_a_schedule(
    tenant: Tenant, abroad: Tenant
) -> None:
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    root, stranger = (
        await tenant.joins("root", role="admin"),
        await abroad.joins("eve", role="admin"),
    )
    schedule = await keeps(tenant, ann)

    for actor in (
        ben,
        stranger,
        Actor(root.user_id, tenant.id, "admin", frozenset({"tasks:read"})),
    ):
        async with tenant.store.begin(actor) as tx:
            assert (await tx.schedules.list(PageAsk())).items == []
            for attempt in (
                tx.schedules.get(schedule.id),
                tx.schedules.change(schedule.id, schedule.ask(), next_fire_at=None, version=None),
                tx.schedules.delete(schedule.id, version=None),
            ):
                with pytest.raises(NotFound):
                    await attempt
    async with tenant.store.begin(root) as tx:
        assert (await tx.schedules.list(PageAsk())).items == [schedule]


async def test_a_deleted_schedule_is_gone_and_its_tasks_stay(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    schedule = await keeps(tenant, ann)
    await firing(tenant)(tenant.system)

    async with tenant.store.begin(ann) as tx:
        await tx.schedules.delete(schedule.id, version=1)

    assert len(await tasks_of(tenant, schedule)) == 1
    with pytest.raises(NotFound):
        await reads(tenant, schedule)


async def test_what_is_due_becomes_a_task_once(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    schedule = await keeps(tenant, ann)
    fire = firing(tenant)

    fired = await fire(tenant.system)
    again = await fire(tenant.system)

    (task,) = await tasks_of(tenant, schedule)
    assert (fired.tasks, again.tasks) == (1, 0)
    assert (task.user_id, task.kind, task.payload) == (ann.user_id, "note", {"text": "hi"})
    assert (task.priority, task.max_attempts, task.timeout_s) == (7, 4, 30.0)
    assert (task.status, task.fire_at) == ("queued", schedule.next_fire_at)
    assert schedule.next_fire_at is not None
    assert await reads(tenant, schedule) == replace(
        schedule,
        next_fire_at=Cron("@yearly", "UTC").first_after(schedule.next_fire_at),
        last_fire_at=schedule.next_fire_at,
        last_task_id=task.id,
    )


async def test_what_is_not_due_or_paused_does_not_fire(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    later = await keeps(tenant, ann, late=-2 * MINUTE)
    paused = await keeps(tenant, ann, late=None, name="paused", enabled=False)

    assert (await firing(tenant)(tenant.system)).tasks == 0

    assert await reads(tenant, later) == later
    assert await reads(tenant, paused) == paused


async def test_all_that_was_missed_fires_in_order_in_bounded_parts(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    schedule = await keeps(tenant, ann, **OFTEN, late=249 * MINUTE)
    fire = firing(tenant)

    parts = [(await fire(tenant.system)).tasks for _ in range(4)]

    begin = schedule.next_fire_at
    assert begin is not None
    assert parts[:2] == [100, 100]
    assert sum(parts[2:]) >= 50
    assert (await instants_of(tenant, schedule))[:250] == [begin + MINUTE * n for n in range(250)]


async def test_many_that_fire_at_once_fire_each_instant_once(tenant: Tenant) -> None:
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    schedules = [
        await keeps(tenant, owner, name=f"{n}", **OFTEN, late=4 * MINUTE)
        for owner in (ann, ben)
        for n in range(PAGE)
    ]
    fires = [firing(tenant) for _ in range(6)]

    for _ in range(2):
        await asyncio.gather(*(fire(tenant.system) for fire in fires))

    for schedule in schedules:
        found = Counter(await instants_of(tenant, schedule))
        assert set(found.values()) == {1}
        assert len(found) >= 5


async def test_an_instant_that_fired_does_not_again_when_its_row_is_put_back(
    tenant: Tenant,
) -> None:
    ann = await tenant.joins("ann")
    schedule = await keeps(tenant, ann, **OFTEN, late=3 * MINUTE)
    fire = firing(tenant)
    await fire(tenant.system)
    before = await tasks_of(tenant, schedule)

    async with tenant.store.begin(ann) as tx:
        await tx.schedules.change(
            schedule.id, schedule.ask(), next_fire_at=schedule.next_fire_at, version=None
        )
    await fire(tenant.system)

    after = await tasks_of(tenant, schedule)
    assert [task.id for task in after][: len(before)] == [task.id for task in before]
    assert set(Counter(task.fire_at for task in after).values()) == {1}
    now = await reads(tenant, schedule)
    assert now.next_fire_at is not None
    assert now.last_task_id == after[-1].id


async def test_of_a_transaction_that_is_undone_nothing_fired(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    schedule = await keeps(tenant, ann)

    async def fire_and_die() -> None:
        async with tenant.store.begin(tenant.system) as tx:
            (due,) = await tx.schedules.due(None, 10)
            at = due.schedule.next_fire_at
            assert at is not None
            await tx.tasks.add([replace(_note(ann), schedule_id=schedule.id, fire_at=at)])
            moved = Firing(id=schedule.id, instants=(at,), next_fire_at=at + MINUTE)
            await tx.schedules.move([moved])
            raise RuntimeError("it ends in the middle")

    with pytest.raises(RuntimeError):
        await fire_and_die()

    assert await tasks_of(tenant, schedule) == []
    assert await reads(tenant, schedule) == schedule
    assert (await firing(tenant)(tenant.system)).tasks == 1


async def test_what_is_changed_does_not_fire_meanwhile(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    schedule = await keeps(tenant, ann)

    async with tenant.store.begin(ann) as tx:
        await tx.schedules.get(schedule.id, to_change=True)
        others = asyncio.create_task(firing(tenant)(tenant.system))
        await asyncio.wait((others,), timeout=0.2)
        await tx.schedules.change(
            schedule.id, replace(schedule.ask(), enabled=False), next_fire_at=None, version=1
        )

    assert (await others).tasks == 0
    assert await tasks_of(tenant, schedule) == []


@pytest.mark.parametrize("change", [{"status": "suspended"}, {"role": "viewer"}])
async def test_nothing_fires_for_who_may_not_act_and_nothing_is_owed_later(
    tenant: Tenant, change: Any
) -> None:
    ann = await tenant.joins("ann")
    schedule = await keeps(tenant, ann, **OFTEN, late=5 * MINUTE)
    async with tenant.store.begin(tenant.system) as tx:
        await tx.accounts.change(ann.user_id, **change)

    assert (await firing(tenant)(tenant.system)).tasks == 0
    async with tenant.store.begin(tenant.system) as tx:
        await tx.accounts.change(ann.user_id, status="active", role="member")
        now = await tx.schedules.now()

    after = await reads(tenant, schedule)
    assert after.next_fire_at is not None
    assert now - 2 * MINUTE < after.next_fire_at <= now + MINUTE
    assert after.last_fire_at is None


async def test_schedules_go_with_their_owner(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    schedule = await keeps(tenant, ann)

    async with tenant.store.begin(tenant.system) as tx:
        await tx.accounts.delete(ann.user_id)

    assert (await firing(tenant)(tenant.system)).tasks == 0
    with pytest.raises(NotFound):
        await reads(tenant, schedule)


async def test_who_has_as_many_tasks_as_may_wait_waits_and_others_do_not(tenant: Tenant) -> None:
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    async with tenant.store.begin(ann) as tx:
        await tx.tasks.add([_note(ann) for _ in range(3)])
    full = await keeps(tenant, ann, **OFTEN, late=9 * MINUTE)
    free = await keeps(tenant, ben)

    await firing(tenant, most=5)(tenant.system)

    assert len(await tasks_of(tenant, full)) == 2
    assert len(await tasks_of(tenant, free)) == 1
    await firing(tenant, most=5)(tenant.system)
    assert len(await tasks_of(tenant, full)) == 2
    await firing(tenant, most=100)(tenant.system)
    assert len(await tasks_of(tenant, full)) >= 10


async def test_one_that_cannot_fire_is_told_and_does_not_stand_in_the_way(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    broken = await keeps(tenant, ann, timezone="Atlantis/Capital", late=9 * MINUTE)
    sound = await keeps(tenant, ann, name="sound")

    fired = await firing(tenant)(tenant.system)

    assert (fired.tasks, fired.broken) == (1, (broken.id,))
    assert (await reads(tenant, broken)).next_fire_at is None
    assert len(await tasks_of(tenant, sound)) == 1


async def test_more_than_a_page_of_schedules_fires_in_one_go(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    for n in range(2 * PAGE + 3):
        await keeps(tenant, ann, name=f"{n}", late=MINUTE * (n % 2), catch_up="one")

    fired = await firing(tenant)(tenant.system)

    assert fired.tasks == 2 * PAGE + 3


def _note(owner: Actor) -> TaskToQueue:
    return TaskToQueue(id=new_id(), user_id=owner.user_id, kind="note", payload={})


def _fields(ask: NewSchedule) -> dict[str, Any]:
    return {field: getattr(ask, field) for field in NewSchedule.__struct_fields__}


async def test_a_user_has_no_more_schedules_than_may_be_however_many_are_made_at_once(
    tenant: Tenant,
) -> None:
    ann, bob = await tenant.joins("ann"), await tenant.joins("bob")
    schedule = await keeps(tenant, ann, late=None)

    async def adds(owner: Actor, n: int) -> bool:
        another = replace(schedule, id=new_id(), name=f"{n}", user_id=owner.user_id)
        try:
            async with tenant.store.begin(owner) as tx:
                await tx.schedules.add(another, most=3)
        except TooManyOpen:
            return False
        return True

    added = await asyncio.gather(*(adds(ann, n) for n in range(6)))

    assert added.count(True) == 2
    assert await adds(bob, 0)
