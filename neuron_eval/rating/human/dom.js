// Elements and views. Strings become text nodes, never markup.

const VIEWS = [...document.querySelectorAll("main > section")].map((section) => section.id);

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
