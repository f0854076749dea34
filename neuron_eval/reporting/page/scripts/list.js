// The list of neurons: one row each, filtered by hiding rows, sorted by Tablesort.

function neuronList(data, form, open) {
  const table = byId("list");
  const body = table.tBodies[0];
  const texts = data.neurons.map(searchText);
  heading(table.tHead.rows[0], data.runs);
  options(form, data);
  const sorter = sortable(table);
  let scorer = null;
  let numbers = [];

  const fill = () => {
    numbers = data.neurons.map((neuron) => summary(neuron, scorer));
    const rows = data.neurons.map((neuron, i) => row(neuron, numbers[i], i));
    body.replaceChildren(...rows);
    sorter.refresh();
  };
  const update = () => {
    const filter = readFilter(form);
    if (filter.scorer !== scorer) {
      scorer = filter.scorer;
      fill();
    }
    let count = 0;
    for (const line of body.rows) {
      const i = Number(line.dataset.neuron);
      line.hidden = !wanted(filter, data.neurons[i], texts[i], numbers[i]);
      if (!line.hidden) count += 1;
    }
    byId("count").textContent = `${count} of ${plural(data.neurons.length, "neuron")}`;
    oneTabStop(body);
  };

  table.addEventListener("afterSort", () => oneTabStop(body));
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(update)); // once the fields are empty
  body.addEventListener("keydown", (event) => walk(event, body));
  body.addEventListener("click", (event) => {
    const line = event.target.closest("tr");
    if (line && getSelection().isCollapsed) open(Number(line.dataset.neuron));
  });
  update();
  return { order: () => shown(body).map((line) => Number(line.dataset.neuron)) };
}

function heading(line, runs) {
  const add = (text, numeric) =>
    line.append(make("th", { scope: "col", class: numeric ? "number" : null }, ...breakable(text)));
  add("neuron");
  add("layer", true);
  add("set");
  for (const run of runs) add(run.label, true);
  if (runs.length > 1) add("disagreement", true);
  add("best explanation");
}

function options(form, data) {
  const layers = [...new Set(data.neurons.map((neuron) => neuron.layer))].sort((a, b) => a - b);
  for (const layer of layers) {
    form.layer.append(make("option", { value: layer }, layer < 0 ? "none" : String(layer)));
  }
  const groups = [...new Set(data.neurons.map((neuron) => neuron.group))].filter(Boolean).sort();
  for (const group of groups) form.group.append(make("option", { value: group }, group));
}

function row(neuron, numbers, i) {
  const opener = make("button", { type: "button", tabindex: "-1" }, ...breakable(neuron.id));
  const line = make(
    "tr",
    { "data-neuron": i },
    make("th", { scope: "row" }, opener),
    numberCell(neuron.layer, neuron.layer < 0 ? "–" : String(neuron.layer)),
    make("td", { dir: "auto" }, neuron.group),
  );
  for (const score of numbers.scores) {
    line.append(numberCell(score, scoreText(score), `shade l${level(score)}`));
  }
  if (numbers.scores.length > 1) {
    line.append(numberCell(numbers.disagreement, scoreText(numbers.disagreement)));
  }
  const spoken = neuron.runs[Math.max(0, numbers.best)] ?? neuron.runs.find((run) => run !== null);
  line.append(make("td", { class: "said", dir: "auto" }, spoken.explanation));
  return line;
}

function numberCell(value, text, extra = "") {
  return make("td", { class: `number ${extra}`.trim(), "data-sort": value ?? "" }, text);
}

// A score from 0 to 1 as a shade from 0 to 10; nothing and negative ones have none.
function level(score) {
  return score === null ? 0 : Math.round(10 * Math.min(1, Math.max(0, score)));
}

function shown(body) {
  return [...body.rows].filter((line) => !line.hidden);
}

function focusRow(line) {
  const body = line.parentElement;
  for (const other of body.querySelectorAll("button[tabindex='0']")) other.tabIndex = -1;
  const button = line.querySelector("button");
  button.tabIndex = 0;
  return button;
}

// The list is one stop of the Tab key; arrows go on from there.
function oneTabStop(body) {
  const lines = shown(body);
  const current = lines.find((line) => line.querySelector("button").tabIndex === 0);
  if (lines.length) focusRow(current ?? lines[0]);
}

function walk(event, body) {
  const lines = shown(body);
  const at = lines.indexOf(event.target.closest("tr"));
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
  if (to === undefined || !lines[to]) return;
  event.preventDefault();
  focusRow(lines[to]).focus();
}
