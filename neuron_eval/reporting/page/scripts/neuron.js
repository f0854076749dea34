// One neuron in a dialog: reference, every run's explanation with its scores, where it fires, excerpts.

function neuronDialog(data) {
  const dialog = byId("neuron");
  let order = [];
  let current = null;
  let opener = null;

  const show = (i) => {
    current = i;
    const neuron = data.neurons[i];
    byId("neuron-title").textContent = neuron.id;
    byId("neuron-body").replaceChildren(...neuronView(neuron, data));
    const at = order.indexOf(i);
    byId("previous").disabled = at <= 0;
    byId("next").disabled = at < 0 || at + 1 >= order.length;
    history.replaceState(null, "", neuronHash(neuron));
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    byId("neuron-title").focus();
  };
  const step = (by) => {
    const to = order[order.indexOf(current) + by];
    if (to !== undefined) show(to);
  };

  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // outside of it
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.target.matches("input, select") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  dialog.addEventListener("close", () => {
    history.replaceState(null, "", "#neurons");
    const line = document.querySelector(`#list tr[data-neuron="${current}"]`);
    if (line && !line.hidden) focusRow(line).focus();
    else if (opener) opener.focus();
  });
  return (i, among) => {
    order = among;
    opener = document.activeElement;
    show(i);
  };
}

// The end of the address that opens a neuron.
function neuronHash(neuron) {
  return `#neuron=${encodeURIComponent(neuron.id)}`;
}

function neuronView(neuron, data) {
  const where = [neuron.layer < 0 ? null : `layer ${neuron.layer}`, neuron.group].filter(Boolean);
  const cards = neuron.runs.map((run, i) => card(run, data.runs[i], neuron, data));
  return [
    make("p", { class: "where", dir: "auto" }, where.join(" · "), publisherLink(neuron)),
    make("h3", {}, "Reference"),
    make("p", { class: "said", dir: "auto" }, neuron.reference || "There is none."),
    make("h3", {}, "Explanations"),
    make("div", { class: "cards" }, ...cards),
    ...(neuron.comments ?? []).map((text) => make("p", { class: "note", dir: "auto" }, text)),
    activityView(neuron.activity),
    ...excerptColumns(neuron, data.runs),
  ].filter((part) => part !== null);
}

function publisherLink(neuron) {
  if (!neuron.page) return null;
  const link = make("a", { href: neuron.page, rel: "noreferrer noopener" }, new URL(neuron.page).host);
  return make("span", { class: "publisher" }, "see it at ", link);
}

function card(run, about, neuron, data) {
  const box = make("article", { class: "card" }, make("h4", { dir: "auto" }, about.label));
  if (run === null) {
    box.append(make("p", { class: "note" }, "This run has not got the neuron."));
    return box;
  }
  const text = run.explanation || "No explanation.";
  box.append(make("p", { class: "said", dir: "auto" }, text), scoreList(run, data.scorers));
  if (run.chosen?.length) {
    box.append(make("p", { class: "note", dir: "auto" }, `Chosen as the best by ${run.chosen.join(", ")}.`));
  }
  if (run.epochs) box.append(make("p", { class: "note" }, firstOf(run.epochs)));
  for (const error of run.errors ?? []) box.append(problem("Error", error));
  for (const failure of run.failures ?? []) box.append(problem("Excerpt without values", failure));
  if (run.left_out) box.append(make("p", { class: "note", dir: "auto" }, run.left_out));
  if (data.viewer !== null) {
    const href = sampleAddress(data.viewer, run.log ?? about.log, neuron.sample);
    box.append(make("p", {}, make("a", { href }, "Sample in the log viewer")));
  }
  return box;
}

function firstOf(epochs) {
  return `The first of ${epochs} explanations; scores are means over all.`;
}

function problem(title, text) {
  return make("p", { class: "problem", dir: "auto" }, make("strong", {}, `${title}: `), text);
}

function scoreList(run, scorers) {
  const list = make("dl", {});
  scorers.forEach((scorer, i) => {
    const reasons = run.unscored?.[i] ?? [];
    const value = run.scores[i];
    if (value === null && !reasons.length) return;
    list.append(make("dt", {}, scorer));
    if (value !== null) list.append(make("dd", { class: "score" }, scoreText(value)));
    for (const reason of reasons) {
      const text = value === null ? `not scored: ${reason}` : `an epoch not scored: ${reason}`;
      list.append(make("dd", { class: "note", dir: "auto" }, text));
    }
  });
  return list;
}

// How Inspect's bundled viewer addresses a sample; the id is encoded already.
function sampleAddress(viewer, log, sample) {
  return `${viewer}/index.html#/logs/${log}/samples/sample/${sample}/1/`;
}
