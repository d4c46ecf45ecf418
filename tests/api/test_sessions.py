from tests.api.house import House, some_id

SESSIONS = "/api/v1/chat/sessions"


async def test_a_chat_makes_a_session_that_is_read_and_listed(house: House) -> None:
    session_id = (await house.chat(house.ann, "hello there", end_user="one")).json["session_id"]

    session = await house.ann.get(f"{SESSIONS}/{session_id}")
    listed = await house.ann.get(f"{SESSIONS}?end_user=one")
    other = await house.ann.get(f"{SESSIONS}?end_user=two")

    assert set(session.json) == {
        *("id", "workspace_id", "user_id", "end_user", "agent_id", "title", "status"),
        *("message_count", "metadata", "created_at", "updated_at"),
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
