from tests.api.house import House


async def test_x(house: House) -> None:
    for m, p, c in [
        ("GET", "/health", house.nobody),
        ("GET", "/health/ready", house.nobody),
        ("GET", "/metrics", house.nobody),
        ("GET", "/api/v1/agents", house.ann),
        ("GET", "/api/v1/agents", house.nobody),
        ("GET", "/nope", house.ann),
        ("PUT", "/api/v1/agents", house.ann),
        ("OPTIONS", "/api/v1/agents", house.nobody),
        ("HEAD", "/api/v1/agents", house.ann),
        ("GET", "/docs", house.nobody),
        ("GET", "/docs/assets/docs.js", house.nobody),
        ("GET", "/openapi.json", house.nobody),
        ("GET", "/problems/tool_unknown", house.nobody),
        ("GET", "/api/v1/tools", house.ann),
        ("GET", "/docs/zzz", house.nobody),
    ]:
        a = await c.request(m, p)
        print(
            m,
            p,
            a.status,
            {k: v for k, v in a.headers.items() if k != "x-request-id"},
            a.body[:200],
        )
    a = await house.chat(house.ann)
    print(a)
    a = await house.ann.post("/api/v1/chat/stream", {"message": "hello there"})
    print(a.status, a.headers, a.body.decode())
    a = await house.ann.post("/api/v1/runs", {"message": "hello there"})
    print(a)
    r = a.json["id"]
    a = await house.ann.get(f"/api/v1/runs/{r}/events")
    print(a)
    a = await house.ann.get(f"/api/v1/runs/{r}/events", accept="application/json")
    print(a)
    assert 0
