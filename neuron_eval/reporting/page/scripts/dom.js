// Elements and text. Strings become text nodes, never markup.

function make(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === true) node.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function byId(id) {
  return document.getElementById(id);
}

// A score: three decimals and a real minus sign.
function scoreText(value) {
  return value === null ? "–" : value.toFixed(3).replace("-", "−");
}

function mean(values) {
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}

// A name that may go on in the next line behind a slash or an underscore.
function breakable(name) {
  const pieces = name.split(/(?<=[/_])/);
  return pieces.flatMap((piece, i) => (i ? [make("wbr"), piece] : [piece]));
}

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
