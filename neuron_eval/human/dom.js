// Elements, views and the server. Strings become text nodes, never markup.

const VIEWS = ["question", "review", "waiting", "lost"];

const byId = (id) => document.getElementById(id);

function make(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const reply = await fetch(path, options);
  const data = await reply.json();
  if (!reply.ok) throw new Refused(data.error);
  return data;
}

class Refused extends Error {}

function say(text) {
  byId("live").textContent = text;
}

function shown() {
  return VIEWS.find((name) => !byId(name).hidden);
}

function view(name) {
  const changed = shown() !== name;
  for (const other of VIEWS) byId(other).hidden = other !== name;
  document.documentElement.dataset.view = name;
  return changed;
}

function focusTitle(id) {
  window.scrollTo(0, 0);
  byId(id).focus({ preventScroll: true });
}
