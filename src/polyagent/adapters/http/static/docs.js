"use strict";

// The page's own: Swagger UI shows the document, and sends what stands in its scheme `bearer`.
const form = document.getElementById("login");
const said = document.getElementById("said");
const SCHEME = "bearer";

const ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: true, // until the log-out of this page, or of the dialog `Authorize`
  validatorUrl: null, // the default asks a host of its makers
});

function tell(text) {
  said.textContent = text;
}

async function tokens(credentials) {
  const response = await fetch("/api/v1/users/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(credentials),
  });
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(answer.detail);
  }
  return answer;
}

function authorise(token) {
  ui.preauthorizeApiKey(SCHEME, token);
  ui.authActions.persistAuthorizationIfNeeded();
}

async function logIn() {
  const given = new FormData(form);
  if (given.get("token")) {
    authorise(given.get("token").trim());
    tell("Requests of this page have your token.");
  } else {
    const username = given.get("username").trim();
    const found = await tokens({ username, password: given.get("password") });
    authorise(found.access_token);
    tell(`You are logged in as ${username}, for ${Math.round(found.expires_in / 60)} minutes.`);
  }
  form.reset();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  logIn().catch((error) => tell(error.message));
});

document.getElementById("logout").addEventListener("click", () => {
  if (ui.authSelectors.authorized()?.has(SCHEME)) {
    ui.authActions.logoutWithPersistOption([SCHEME]);
  }
  tell("The page has forgotten your token.");
});
