// Runs over a WebSocket, which is opened with a ticket or with the token as a subprotocol.

import { ENDS, passes, pause } from "./api.js";

export const withTicket = (api) => async () => {
  const address = await api.ticketed("/ws");
  return new WebSocket(socketAddress(address));
};

export const withToken = (api) => async () => {
  const address = socketAddress(new URL("/ws", api.server));
  return new WebSocket(address, ["polyagent.v1", `bearer.${api.token}`]);
};

function socketAddress(address) {
  address.protocol = address.protocol.replace("http", "ws");
  return address;
}

// Tells each event once and in order; after a break the run is watched behind the last one.
export async function ask(open, message, tell) {
  let frame = { type: "chat", id: crypto.randomUUID(), message };
  let hasEnded = false;
  const hear = (heard) => {
    if (heard.type === "error") throw new Error(`${heard.code}: ${heard.detail}`);
    if (!heard.run_id) return false;
    frame = { type: "watch", run_id: heard.run_id, after: heard.id };
    hasEnded = ENDS.includes(heard.type);
    tell(heard);
    return hasEnded;
  };
  while (!hasEnded) {
    try {
      await connection(await open(), frame, hear);
    } catch (error) {
      if (!passes(error)) throw error;
    }
    if (!hasEnded) await pause(1000);
  }
}

// Resolves when it is over or breaks; a socket that never opened may have been refused: the browser does not say.
function connection(socket, frame, hear) {
  return new Promise((resolve, reject) => {
    let wasOpen = frame.type === "watch";
    socket.onopen = () => {
      wasOpen = true;
      socket.send(JSON.stringify(frame));
    };
    socket.onmessage = ({ data }) => {
      try {
        if (hear(JSON.parse(data))) socket.close();
      } catch (error) {
        reject(error);
        socket.close();
      }
    };
    socket.onclose = ({ code, reason }) => {
      const isRefused = !wasOpen || code === 4401 || code === 4403;
      if (isRefused) reject(new Error(`The socket was closed: ${code} ${reason}`));
      else resolve();
    };
  });
}
