// Heat maps: the text coloured by true activation, below it one lane a run for what it simulated.
// Strength shows twice: as colour, and as the thickness of the line under the text or the height
// of the bar in the lane.

const STEPS = "0123456789a";

function heatMaps(neuron, runs) {
  const lanes = [];
  neuron.runs.forEach((run, i) => {
    if (run !== null && run.simulated) lanes.push({ name: runs[i].label, ...run.simulated });
  });
  if (!neuron.excerpts.length || !lanes.length) {
    return [make("p", {}, "No run simulated this neuron’s held-out excerpts.")];
  }
  const maps = neuron.excerpts.map((excerpt, i) => heatMap(excerpt, i, lanes));
  const all = make("div", { class: "heat" }, ...maps);
  if (lanes.length === 1) all.classList.add("single");
  return [legend(neuron, lanes), chooser(lanes, all), all];
}

function legend(neuron, lanes) {
  const peak = Math.max(...neuron.excerpts.map((excerpt) => excerpt.peak));
  const steps = (kind) =>
    [...STEPS].map((_, step) => make("span", { class: `${kind} l${step}` }, " "));
  return make(
    "p",
    { class: "legend" },
    "True activation, on the text: ",
    make("span", { class: "scale", "aria-hidden": "true" }, ...steps("true")),
    ` 0 to ${peak}. Simulated, in the lanes below: `,
    make("span", { class: "scale", "aria-hidden": "true" }, ...steps("lane")),
    ` from the run’s median to its highest. ⏎ is a newline, ⇥ a tab.`,
  );
}

// All lanes from top to bottom, or one of them, larger. A single lane leaves no choice.
function chooser(lanes, all) {
  if (lanes.length === 1) {
    const [lane] = lanes;
    return make("p", { class: "legend" }, `Lane: ${lane.name} (${lane.low} to ${lane.high}).`);
  }
  const choices = [{ name: "all" }, ...lanes].map((lane, i) => {
    const input = make("input", { type: "radio", name: "lane", value: i - 1, checked: i === 0 });
    const scale = i ? ` (${lane.low} to ${lane.high})` : ", top to bottom:";
    return make("label", {}, input, ` ${lane.name}`, make("small", {}, scale));
  });
  const set = make("fieldset", { class: "lanes" }, make("legend", {}, "Lanes"), ...choices);
  set.addEventListener("change", (event) => {
    const only = Number(event.target.value);
    all.classList.toggle("single", only >= 0);
    for (const lane of all.querySelectorAll("[data-lane]")) {
      lane.hidden = only >= 0 && Number(lane.dataset.lane) !== only;
    }
  });
  return set;
}

function heatMap(excerpt, i, lanes) {
  const without = lanes.filter((lane) => lane.levels[i] === null).map((lane) => lane.name);
  return make(
    "section",
    { class: "excerpt" },
    make("h4", {}, excerpt.name, make("small", {}, ` highest true activation ${excerpt.peak}`)),
    without.length ? make("p", { class: "note" }, `No values from ${without.join(", ")}.`) : null,
    make("p", { class: "hidden" }, spoken(excerpt, i, lanes)),
    make("div", { class: "tokens", dir: "ltr" }, ...tokens(excerpt, i, lanes)),
  );
}

function tokens(excerpt, i, lanes) {
  return excerpt.tokens.map((token, t) => {
    const numbers = lanes.map((lane) => `${lane.name} ${stepOf(lane, i, t)}`).join(", ");
    const title = `true ${STEPS.indexOf(excerpt.true[t])}; ${numbers} (of 10)`;
    const text = make("span", { class: `true l${STEPS.indexOf(excerpt.true[t])}` }, token);
    const bars = lanes.map((lane, k) => {
      const step = stepOf(lane, i, t);
      return make("span", {
        class: step === "–" ? "lane missing" : `lane l${step}`,
        "data-lane": k,
        "aria-hidden": "true",
      });
    });
    return make("span", { class: "token", title }, text, ...bars);
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
