// Where a neuron fires: its top tokens, and a histogram of its activations.

const WIDTH = 240;
const HEIGHT = 64;

function activityView(activity) {
  if (!activity) return null;
  const total = activity.counts.reduce((sum, count) => sum + count, 0);
  const over = `${total.toLocaleString("en")} tokens of the ${plural(activity.excerpts, "excerpt")} in the log`;
  return make(
    "div",
    { class: "columns activity" },
    make("section", {}, make("h3", {}, "Top tokens"), topTokens(activity)),
    make(
      "figure",
      {},
      make("h3", {}, "Activations"),
      histogram(activity, over),
      make(
        "div",
        { class: "ends", "aria-hidden": "true" },
        make("span", {}, short(activity.low)),
        make("span", {}, short(activity.high)),
      ),
      make("figcaption", {}, `${over}; heights are on a log scale.`),
    ),
  );
}

// Each with its highest activation, as a number and as a bar behind it.
function topTokens(activity) {
  if (!activity.tokens.length) return make("p", { class: "note" }, "None is above 0.");
  const items = activity.tokens.map(([text, peak, times]) =>
    make(
      "li",
      { class: `l${Math.max(1, Math.round((10 * peak) / activity.high))}` },
      make("span", { class: "text", dir: "auto" }, text),
      make("small", {}, ` ${peak}${times > 1 ? `, ${times} times` : ""}`),
    ),
  );
  return make("ol", { class: "top", "aria-label": "Top tokens, with their highest activation" }, ...items);
}

// Bars from the lowest activation to the highest; their heights are logarithms, since most tokens
// are near nothing.
function histogram(activity, over) {
  const { counts, low, high } = activity;
  const most = Math.log1p(Math.max(...counts));
  const step = WIDTH / counts.length;
  const picture = drawing("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": `Histogram of activations from ${low} to ${high}, ${over}; ${where(activity)}.`,
  });
  counts.forEach((count, i) => {
    const height = (HEIGHT * Math.log1p(count)) / most;
    const bar = { x: i * step + 0.5, y: HEIGHT - height, width: step - 1, height };
    const title = `${short(edge(activity, i))} to ${short(edge(activity, i + 1))}: ${count}`;
    const drawn = drawing("rect", bar);
    drawn.append(drawing("title", {}));
    drawn.lastChild.textContent = title;
    picture.append(drawn);
  });
  return picture;
}

function drawing(name, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function edge({ low, high, counts }, i) {
  return low + ((high - low) * i) / counts.length;
}

// How many tokens are in the upper half, in words.
function where(activity) {
  const { counts } = activity;
  const upper = counts.slice(counts.length / 2).reduce((sum, count) => sum + count, 0);
  return `${plural(upper, "token")} above ${short(edge(activity, counts.length / 2))}`;
}

function short(value) {
  return String(Number(value.toPrecision(3))).replace("-", "−");
}
