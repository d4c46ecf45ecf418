from tests.api.house import House, some_id

SESSIONS = "/api/v1/chat/sessions"


async def test_a_chat_makes_a_session_that_is_read_and_listed(house: House) -> None:
    session_id = (await house.chat(house.ann, "hello there", end_user="one")).json["session_id"]

    session = await house.ann.get(f"{SESSIONS}/{session_id}")
    listed = await house.ann.get(f"{SESSIONS}?end_user=one")
    other = await house.ann.get(f"{SESSIONS}?end_user=two")

    assert set(session.json) == {
        *("id", "workspace_id", "user_id", "end_user", "agent_id", "title", "status"),
        *("message_count", "metadata", "version", "created_at", "updated_at"),
    }
    assert session.json["title"] == "hello there"
    assert session.json["status"] == "idle"
    assert session.json["message_count"] == 2
    assert listed.json["items"] == [session.json]
    assert other.json["items"] == []


async def test_messages_are_read_oldest_first_page_by_page(house: House) -> None:
    session_id = (await house.chat(house.ann, "one")).json["session_id"]
    await house.chat(house.ann, "two", session_id=session_id)
    path: str | None = f"{SESSIONS}/{session_id}/messages?limit=3"
    seen: list[str] = []

    while path:
        answer = await house.ann.get(path)
        seen += [message["content"] for message in answer.json["items"]]
        link = answer.headers.get("link")
        path = link.removeprefix("<").removesuffix('>; rel="next"') if link else None

    assert seen == ["one", "You said: one", "two", "You said: two"]
    newest = await house.ann.get(f"{SESSIONS}/{session_id}/messages?limit=1&order=desc")
    assert newest.json["items"][0]["content"] == "You said: two"


async def test_a_patch_changes_what_it_names(house: House) -> None:
    session_id = (await house.chat(house.ann, "hello")).json["session_id"]

    titled = await house.ann.request(
        "PATCH", f"{SESSIONS}/{session_id}", json={"metadata": {"a": 1}, "title": "Greetings"}
    )
    cleared = await house.ann.request("PATCH", f"{SESSIONS}/{session_id}", json={"title": None})

    assert titled.json["title"] == "Greetings"
    assert cleared.json["title"] is None
    assert cleared.json["metadata"] == {"a": 1}


async def test_a_deleted_session_is_gone_at_once(house: House) -> None:
    session_id = (await house.chat(house.ann)).json["session_id"]

    deleted = await house.ann.request("DELETE", f"{SESSIONS}/{session_id}")
    again = await house.ann.request("DELETE", f"{SESSIONS}/{session_id}")
    chat = await house.chat(house.ann, session_id=session_id)

    assert deleted.status == 204
    again.as_problem(404, "not_found")
    chat.as_problem(404, "not_found")


async def test_sessions_of_others_look_as_if_they_were_not_there(house: House) -> None:
    session_id = (await house.chat(house.ann)).json["session_id"]
    absent = str(some_id())

    for method, tail, body in (
        ("GET", "", None),
        ("PATCH", "", {"title": "mine"}),
        ("DELETE", "", None),
        ("GET", "/messages", None),
    ):
        hers, none = [
            await house.bob.request(method, f"{SESSIONS}/{each}{tail}", json=body)
            for each in (session_id, absent)
        ]

        hers.as_problem(404, "not_found")
        assert hers.told(session_id) == none.told(absent)


async def test_ids_that_are_none_are_not_found(house: House) -> None:
    for path in ("mine", "0", "01990000-0000-7000-8000-00000000000", "%00", "%ff", "a%2Fb"):
        answer = await house.ann.get(f"{SESSIONS}/{path}")

        assert answer.status in (400, 404)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_fork_has_an_address_and_goes_on_by_itself(house: House) -> None:
    session_id = (await house.chat(house.ann, "one")).json["session_id"]
    await house.chat(house.ann, "two", session_id=session_id)
    messages = (await house.ann.get(f"{SESSIONS}/{session_id}/messages")).json["items"]

    forked = await house.ann.post(
        f"{SESSIONS}/{session_id}/fork", {"message_id": messages[1]["id"]}
    )
    location = forked.headers["location"]
    await house.chat(house.ann, "three", session_id=forked.json["id"])

    read = await house.ann.get(location)
    copies = (await house.ann.get(f"{location}/messages")).json["items"]
    assert forked.status == 201
    assert forked.headers["etag"] == read.headers["etag"] == '"1"'
    assert location == f"{SESSIONS}/{forked.json['id']}"
    assert read.json["message_count"] == len(copies) == 4
    assert [copy["content"] for copy in copies[:3]] == ["one", "You said: one", "three"]


async def test_a_fork_of_what_is_not_the_callers_is_not_found(house: House) -> None:
    mine, other = [(await house.chat(house.ann)).json["session_id"] for _ in range(2)]
    message, elsewhere = [
        (await house.ann.get(f"{SESSIONS}/{each}/messages")).json["items"][0]["id"]
        for each in (mine, other)
    ]

    for client, session_id, message_id in (
        (house.bob, mine, message),
        (house.ann, some_id(), message),
        (house.ann, mine, elsewhere),
        (house.ann, mine, some_id()),
    ):
        answer = await client.post(f"{SESSIONS}/{session_id}/fork", {"message_id": str(message_id)})

        answer.as_problem(404, "not_found")


async def test_a_fork_wants_a_message(house: House) -> None:
    session_id = (await house.chat(house.ann)).json["session_id"]

    bodies: tuple[object, ...] = ({}, [], {"message_id": None}, {"message_id": "first"})
    for body in bodies:
        answer = await house.ann.post(f"{SESSIONS}/{session_id}/fork", body)

        answer.as_problem(400, "invalid_request")


async def test_a_lost_update_of_a_session_is_refused(house: House) -> None:
    session_id = (await house.chat(house.ann)).json["session_id"]
    path = f"{SESSIONS}/{session_id}"
    first = (await house.ann.get(path)).headers["etag"]
    await house.chat(house.ann, session_id=session_id)

    changed = await house.ann.request(
        "PATCH", path, json={"title": "one"}, headers={"if_match": first}
    )
    late = await house.ann.request(
        "PATCH", path, json={"title": "two"}, headers={"if_match": first}
    )
    deleted = await house.ann.request("DELETE", path, headers={"if_match": first})
    of_two = await house.ann.request("DELETE", path, headers={"if_match": 'W/"7", "2"'})

    assert (changed.status, changed.headers["etag"]) == (200, '"2"')
    late.as_problem(412, "precondition_failed")
    deleted.as_problem(412, "precondition_failed")
    assert of_two.status == 204
