// Runs as server-sent events.

import { ENDS, passes, pause } from "./api.js";

const TYPES = [
  ...["run.queued", "run.started", "run.resumed", ...ENDS],
  ...["message.delta", "message.completed", "reasoning.delta", "context.compacted", "usage"],
  ...["tool.arguments.delta", "tool.called", "tool.progress", "tool.completed"],
];

export async function ask(api, message, tell) {
  const key = crypto.randomUUID(); // the same request again is the same run
  const run = await api.post("/api/v1/runs", { message }, { "Idempotency-Key": key });
  await follow(api, run.id, tell);
}

// Tells each event once and in order, whatever happens to the connection and to the server.
export async function follow(api, runId, tell) {
  let after = 0;
  let hasEnded = false;
  const hear = (event) => {
    after = event.id;
    hasEnded = ENDS.includes(event.type);
    tell(event);
    return hasEnded;
  };
  while (!hasEnded) {
    try {
      await connection(await api.ticketed(`/api/v1/runs/${runId}/events`, { after }), hear);
    } catch (error) {
      if (!passes(error)) throw error;
    }
    if (!hasEnded) await pause(1000);
  }
}

function connection(address, hear) {
  return new Promise((resolve) => {
    const source = new EventSource(address);
    const close = () => {
      source.close(); // left alone it would come back with the ticket that it has used
      resolve();
    };
    source.onerror = close;
    for (const type of TYPES) {
      source.addEventListener(type, ({ data }) => hear(JSON.parse(data)) && close());
    }
  });
}
