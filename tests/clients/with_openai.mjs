// The official client for Node: https://github.com/openai/openai-node
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test from "node:test";

import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const { CLIENTS_BASE_URL, CLIENTS_TOKEN, CLIENTS_CONTROL_URL } = process.env;
const AGENT = "agent/general";
const MODEL = "scripted";
const CITY = 'say {"name":"Paris","people":2100000}';
const TWO_CALLS = 'calls look {"place": "Paris"} ; look {"place": "Rome"}';
const AMONG_OURS = `${TWO_CALLS}\ncalls calculator {"expression": "6*7"}\nsay Done.`;
const WEATHER = { Paris: "rain", Rome: "sun" };
const PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=";
const HELLO = [{ role: "user", content: "say Hello there." }];
const PARAMETERS = { type: "object", properties: { place: { type: "string" } }, required: ["place"] };
const LOOK = { type: "function", function: { name: "look", parameters: PARAMETERS } };

const client = new OpenAI({ baseURL: CLIENTS_BASE_URL, apiKey: CLIENTS_TOKEN, maxRetries: 0 });
const chat = client.chat.completions;

const user = (content) => ({ role: "user", content });
const control = async (path, method) => (await fetch(CLIENTS_CONTROL_URL + path, { method })).json();
const timesAsked = async (message) => (await control("/calls", "GET"))[message] ?? 0;

function withEachModel(behaviour, check) {
  for (const model of [AGENT, MODEL]) test(`${behaviour}: ${model}`, () => check(model));
}

function runnable() {
  const seen = [];
  const look = ({ place }) => {
    seen.push(place);
    return WEATHER[place];
  };
  const told = { name: "look", description: "Look how the weather is", parameters: PARAMETERS };
  return [seen, { type: "function", function: { ...told, function: look, parse: JSON.parse } }];
}

test("every listed model is read and answers", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);

  assert.ok(ids.includes(AGENT) && ids.includes(MODEL));
  for (const id of ids) {
    assert.equal((await client.models.retrieve(id)).id, id);
    const completion = await chat.create({ model: id, messages: HELLO });
    assert.equal(completion.choices[0].message.content, "Hello there. ");
  }
});

withEachModel("an answer as a whole", async (model) => {
  const messages = [{ role: "developer", content: "Be brief." }, ...HELLO];

  const { choices, usage } = await chat.create({ model, messages, temperature: 0, user: "u" });

  assert.deepEqual([choices[0].message.content, choices[0].finish_reason], ["Hello there. ", "stop"]);
  assert.equal(usage.total_tokens, 12);
});

withEachModel("for await over a stream", async (model) => {
  const stream_options = { include_usage: true };
  const stream = await chat.create({ model, messages: HELLO, stream: true, stream_options });

  let text = "";
  let last;
  for await (last of stream) text += last.choices[0]?.delta.content ?? "";

  assert.equal(text, "Hello there. ");
  assert.deepEqual([last.choices, last.usage.total_tokens], [[], 12]);
});

withEachModel("a stream that its reader leaves", async (model) => {
  const stream = await chat.create({ model, messages: [user("long 1000")], stream: true });

  for await (const chunk of stream) if (chunk.choices[0].delta.content) break;

  assert.ok(stream.controller.signal.aborted);
});

withEachModel("the stream helper", async (model) => {
  const pieces = [];
  const stream = chat.stream({ model, messages: HELLO }).on("content", (piece) => pieces.push(piece));

  const final = await stream.finalChatCompletion();

  assert.equal(pieces.join(""), "Hello there. ");
  assert.equal(final.choices[0].message.content, "Hello there. ");
  assert.equal(final.choices[0].finish_reason, "stop");
});

withEachModel("parse with a zod schema", async (model) => {
  const City = z.object({ name: z.string(), people: z.number().int() });
  const response_format = zodResponseFormat(City, "city");
  const ask = { model, messages: [user(CITY)], response_format };

  const whole = await chat.parse(ask);
  const streamed = await chat.stream(ask).finalChatCompletion();

  for (const { choices } of [whole, streamed])
    assert.deepEqual(choices[0].message.parsed, { name: "Paris", people: 2_100_000 });
});

withEachModel("the raw response", async (model) => {
  const { data, response } = await chat.create({ model, messages: HELLO }).withResponse();

  assert.ok(response.headers.get("x-run-id"));
  assert.equal(data.choices[0].message.content, "Hello there. ");
});

withEachModel("an image", async (model) => {
  const shown = [{ type: "text", text: "say A dot." }, { type: "image_url", image_url: { url: PIXEL } }];

  const completion = await chat.create({ model, messages: [user(shown)] });

  assert.equal(completion.choices[0].message.content, "A dot. ");
});

for (const stream of [false, true]) {
  withEachModel(`runTools, ${stream ? "streamed" : "whole"}`, async (model) => {
    const [seen, look] = runnable();

    const runner = chat.runTools({ model, stream, messages: [user(TWO_CALLS)], tools: [look] });

    assert.equal(await runner.finalContent(), "The tools say: rain sun ");
    assert.deepEqual(seen, ["Paris", "Rome"]);
    const usage = await runner.totalUsage();
    assert.equal(usage.total_tokens, stream ? 0 : 24);
  });

  test(`runTools beside the tools of an agent, ${stream ? "streamed" : "whole"}`, async () => {
    const [seen, look] = runnable();

    const runner = chat.runTools({ model: AGENT, stream, messages: [user(AMONG_OURS)], tools: [look] });

    assert.equal(await runner.finalContent(), "Done. ");
    assert.deepEqual(seen, ["Paris", "Rome"]);
  });
}

withEachModel("a tool as a zod schema", async (model) => {
  const look = zodFunction({ name: "look", parameters: z.object({ place: z.string() }) });

  const completion = await chat.parse({ model, messages: [user(TWO_CALLS)], tools: [look] });

  const calls = completion.choices[0].message.tool_calls;
  const parsed = calls.map((call) => call.function.parsed_arguments);
  assert.deepEqual(parsed, [{ place: "Paris" }, { place: "Rome" }]);
});

withEachModel("a choice of tools", async (model) => {
  for (const tool_choice of ["required", { type: "function", function: { name: "look" } }]) {
    const ask = { model, messages: [user(TWO_CALLS)], tools: [LOOK], tool_choice };
    assert.equal((await chat.create(ask)).choices[0].finish_reason, "tool_calls");
  }
});

test("a wrong key is an authentication error", async () => {
  const stranger = client.withOptions({ apiKey: "wrong" });

  await assert.rejects(async () => stranger.models.list(), OpenAI.AuthenticationError);
});

test("an unknown model is not found", async () => {
  for (const model of ["agent/nobody", "nobody"]) {
    await assert.rejects(chat.create({ model, messages: HELLO }), OpenAI.NotFoundError);
    await assert.rejects(client.models.retrieve(model), OpenAI.NotFoundError);
  }
});

withEachModel("five answers are a bad request", async (model) => {
  for (const stream of [false, true])
    await assert.rejects(chat.create({ model, messages: HELLO, n: 5, stream }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, "n");
      return true;
    });
});

withEachModel("too long a conversation is a bad request", async (model) => {
  const refusal = { message: "maximum context length is 8192 tokens", code: "context_length_exceeded" };
  const messages = [user(`refuse 400 ${JSON.stringify({ error: refusal })}`)];

  await assert.rejects(chat.create({ model, messages }), { code: "context_length_exceeded" });
});

withEachModel("a stream that breaks is an error", async (model) => {
  const stream = await chat.create({ model, messages: [user("reset")], stream: true });

  await assert.rejects(async () => {
    for await (const _ of stream);
  }, OpenAI.APIError);
});

withEachModel("a key replays", async (model) => {
  const name = randomUUID();
  const message = `say Once. ${name}`;
  const ask = { model, messages: [user(message)] };
  const headers = { "Idempotency-Key": name };

  const first = await chat.create(ask, { headers }).withResponse();
  const again = await chat.create(ask, { headers }).withResponse();
  const streamed = await chat.stream(ask, { headers }).finalChatCompletion();

  assert.equal(again.response.headers.get("idempotent-replayed"), "true");
  assert.deepEqual(again.data, first.data);
  assert.equal(streamed.id, first.data.id);
  assert.equal(streamed.choices[0].message.content, first.data.choices[0].message.content);
  assert.equal(await timesAsked(message), 1);
});

withEachModel("a key leads back to an answer that was not waited for", async (model) => {
  const name = randomUUID();
  const message = `hold ${name}`;
  const ask = { model, messages: [user(message)] };
  const headers = { "Idempotency-Key": name };

  await assert.rejects(chat.create(ask, { headers, timeout: 500 }), OpenAI.APIConnectionTimeoutError);
  await control(`/release/${name}`, "POST");
  const again = await chat.create(ask, { headers });

  assert.equal(again.choices[0].message.content, "holding released");
  assert.equal(await timesAsked(message), 1);
});
