import { Api } from "./api.js";
import { ask as askByEvents } from "./events.js";
import { ask as askBySocket, withTicket, withToken } from "./socket.js";

const WAYS = {
  events: (api, message, tell) => askByEvents(api, message, tell),
  ticket: (api, message, tell) => askBySocket(withTicket(api), message, tell),
  token: (api, message, tell) => askBySocket(withToken(api), message, tell),
};

const at = (id) => document.getElementById(id);

// The text of each step. A step that is taken over begins anew; its durable text replaces the pieces.
class Answer {
  steps = {};

  hear(event) {
    if (event.type === "message.delta") {
      this.steps[event.step] = (this.steps[event.step] ?? "") + event.text;
    } else if (event.type === "message.completed") {
      this.steps[event.step] = event.message.content;
    } else if (event.type === "run.resumed" && event.discard_step !== undefined) {
      delete this.steps[event.discard_step];
    }
  }

  get text() {
    return Object.values(this.steps).join("\n");
  }
}

function show(answer, event) {
  answer.hear(event);
  at("answer").textContent = answer.text;
  const item = document.createElement("li");
  item.textContent = `${event.id} ${event.type}`;
  at("events").append(item);
}

async function send(way) {
  const api = new Api(at("server").value, at("token").value);
  const answer = new Answer();
  at("events").replaceChildren();
  at("answer").textContent = "";
  at("status").textContent = "asking";
  try {
    await WAYS[way](api, at("message").value, (event) => show(answer, event));
    at("status").textContent = "done";
  } catch (error) {
    at("status").textContent = String(error);
  }
}

for (const button of document.querySelectorAll("button")) {
  button.addEventListener("click", () => send(button.dataset.way));
}
