// The server, as a page of any listed origin calls it.

export class Problem extends Error {
  constructor(problem) {
    super(`${problem.code}: ${problem.detail}`);
    this.status = problem.status;
  }
}

export class Api {
  constructor(server, token) {
    this.server = server;
    this.token = token;
  }

  async post(path, body, headers = {}) {
    const answer = await fetch(new URL(path, this.server), {
      method: "POST",
      headers: {
        Authorization: `Bearer ${this.token}`,
        "Content-Type": "application/json",
        ...headers,
      },
      body: JSON.stringify(body),
    });
    const told = await answer.json();
    if (!answer.ok) throw new Problem(told);
    return told;
  }

  // An address that opens once, within 30 seconds: EventSource and WebSocket send no header.
  async ticketed(path, query = {}) {
    const { ticket } = await this.post("/api/v1/tickets", { for: path });
    const address = new URL(path, this.server);
    address.search = new URLSearchParams({ ticket, ...query });
    return address;
  }
}

export const ENDS = ["run.completed", "run.failed", "run.cancelled"];

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A server that cannot be reached, or asks to come back, is tried again.
export const passes = (error) =>
  error instanceof TypeError ||
  (error instanceof Problem && [429, 503].includes(error.status));
