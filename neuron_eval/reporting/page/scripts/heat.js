// Heat maps: the text coloured by true activation, below it a lane for what a run simulated.
// Strength shows twice: as colour, and as the thickness of the line under the text or the height
// of the bar in the lane.

const STEPS = "0123456789a";
const ALL = "all";

// The run whose lane was chosen last, or all: it stays from neuron to neuron.
let chosenLane = null;

// The excerpts that explainers saw beside those held out.
function excerptColumns(neuron, runs) {
  const lanes = [];
  neuron.runs.forEach((run, i) => {
    if (run !== null && run.simulated) lanes.push({ run: i, name: runs[i].label, ...run.simulated });
  });
  const columns = [];
  if (neuron.shown) columns.push(shownColumn(neuron, runs));
  columns.push(heldOutColumn(neuron, lanes));
  const top = neuron.excerpts.length || neuron.shown ? legend(neuron, lanes) : null;
  return [top, make("div", { class: columns.length > 1 ? "excerpts" : null }, ...columns)];
}

function legend(neuron, lanes) {
  const steps = (kind) =>
    [...STEPS].map((_, step) => make("span", { class: `${kind} l${step}` }, " "));
  const scale = (kind) => make("span", { class: "scale", "aria-hidden": "true" }, ...steps(kind));
  const parts = [make("span", {}, "true activation, on the text", scale("true"), `0 to ${neuron.top}`)];
  if (lanes.length) {
    const text = "the run’s median to its highest";
    parts.push(make("span", {}, "simulated, in the lane below", scale("lane"), text));
  }
  return make("p", { class: "legend" }, ...parts, make("span", {}, "⏎ newline, ⇥ tab"));
}

function shownColumn(neuron, runs) {
  const names = (excerpt) => excerpt.runs.map((i) => runs[i].label).join(", ");
  const maps = neuron.shown.map((excerpt) => {
    const note = excerpt.runs ? make("p", { class: "note" }, `Only in ${names(excerpt)}.`) : null;
    return heatMap(excerpt, 0, [], note);
  });
  return make(
    "section",
    { class: "shown" },
    make("h3", {}, "Shown to the explainer"),
    make("p", { class: "note" }, "These were in its prompt, in the run’s format."),
    ...maps,
  );
}

function heldOutColumn(neuron, lanes) {
  const column = make("section", { class: "held-out" }, make("h3", {}, "Held out"));
  if (!neuron.excerpts.length || !lanes.length) {
    column.append(make("p", { class: "note" }, "No run simulated this neuron’s held-out excerpts."));
    return column;
  }
  const maps = make("div", {});
  const draw = (choice) => {
    const drawn = choice === ALL ? lanes : lanes.filter((lane) => lane.run === choice);
    maps.className = drawn.length === 1 ? "heat single" : "heat";
    maps.replaceChildren(...neuron.excerpts.map((excerpt, i) => heldOut(excerpt, i, drawn)));
  };
  const known = chosenLane === ALL || lanes.some((lane) => lane.run === chosenLane);
  const choice = known ? chosenLane : lanes[0].run;
  column.append(chooser(lanes, choice, draw), maps);
  draw(choice);
  return column;
}

// Which run's lane; a single one leaves no choice.
function chooser(lanes, choice, draw) {
  const text = (lane) => `${lane.name} (${lane.low} to ${lane.high})`;
  if (lanes.length === 1) {
    return make("p", { class: "note" }, `Simulated from the explanation of ${text(lanes[0])}.`);
  }
  const options = lanes.map((lane) => make("option", { value: lane.run }, text(lane)));
  options.push(make("option", { value: ALL }, "all runs, a lane each"));
  const select = make("select", { id: "lane" }, ...options);
  select.value = String(choice);
  select.addEventListener("change", () => {
    chosenLane = select.value === ALL ? ALL : Number(select.value);
    draw(chosenLane);
  });
  const label = make("label", { for: "lane" }, "Simulated from the explanation of");
  return make("p", { class: "lanes" }, label, select);
}

function heldOut(excerpt, i, lanes) {
  const without = lanes.filter((lane) => lane.levels[i] === null).map((lane) => lane.name);
  const text = `No values from ${without.join(", ")}.`;
  return heatMap(excerpt, i, lanes, without.length ? make("p", { class: "note" }, text) : null);
}

function heatMap(excerpt, i, lanes, note) {
  return make(
    "article",
    { class: "excerpt" },
    make("h4", {}, excerpt.name, make("small", {}, ` highest activation ${excerpt.peak}`)),
    note,
    make("p", { class: "hidden" }, spoken(excerpt, i, lanes)),
    make("div", { class: "tokens", dir: "ltr" }, rowNames(lanes), ...words(excerpt, i, lanes)),
  );
}

// What the first row of text and the lanes below it are.
function rowNames(lanes) {
  if (!lanes.length) return null;
  const names = lanes.length === 1 ? ["simulated"] : lanes.map((lane) => lane.name);
  const spans = names.map((name) => make("span", { class: "name", title: name }, name));
  return make(
    "span",
    { class: "rows", "aria-hidden": "true" },
    make("span", { class: "name first" }, "true"),
    ...spans,
  );
}

// Tokens that make a word stay in one line where it is long enough.
function words(excerpt, i, lanes) {
  const groups = [];
  tokens(excerpt, i, lanes).forEach((token, t) => {
    const follows = t > 0 && /^[^\s⏎⇥]/.test(excerpt.tokens[t]) && !/[\s⏎⇥]$/.test(excerpt.tokens[t - 1]);
    if (follows) groups.at(-1).push(token);
    else groups.push([token]);
  });
  return groups.map((group) => make("span", { class: "word" }, ...group));
}

function tokens(excerpt, i, lanes) {
  return excerpt.tokens.map((token, t) => {
    const step = STEPS.indexOf(excerpt.true[t]);
    const numbers = lanes.map((lane) => `; ${lane.name} ${stepOf(lane, i, t)}`).join("");
    const text = make("span", { class: `true l${step}` }, token);
    const bars = lanes.map((lane) => {
      const height = stepOf(lane, i, t);
      const kind = height === "–" ? "lane missing" : `lane l${height}`;
      return make("span", { class: kind, "aria-hidden": "true" });
    });
    return make("span", { class: "token", title: `true ${step}${numbers} (of 10)` }, text, ...bars);
  });
}

function stepOf(lane, i, t) {
  return lane.levels[i] === null ? "–" : STEPS.indexOf(lane.levels[i][t]);
}

// For who cannot see the map: where truth and simulation are strongest.
function spoken(excerpt, i, lanes) {
  const parts = [`Strongest, true: ${strongest(excerpt.tokens, excerpt.true)}`];
  for (const lane of lanes) {
    if (lane.levels[i] !== null) {
      parts.push(`${lane.name}: ${strongest(excerpt.tokens, lane.levels[i])}`);
    }
  }
  return `${parts.join("; ")}.`;
}

function strongest(tokens, levels) {
  const steps = [...levels].map((step) => STEPS.indexOf(step));
  const high = Math.max(...steps);
  if (high === 0) return "none";
  const at = steps.indexOf(high);
  return `${tokens[at].trim()} (${high} of 10)`;
}
