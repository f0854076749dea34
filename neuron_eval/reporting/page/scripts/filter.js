// Which neurons the form asks for. Pure but for reading the form.

// A neuron's numbers for one scorer.
function summary(neuron, scorer) {
  const scores = neuron.runs.map((run) => (run === null ? null : run.scores[scorer] ?? null));
  const known = scores.filter((score) => score !== null);
  return {
    scores,
    mean: mean(known),
    disagreement: known.length > 1 ? Math.max(...known) - Math.min(...known) : null,
    best: known.length ? scores.indexOf(Math.max(...known)) : -1,
  };
}

// What text search looks through.
function searchText(neuron) {
  const said = neuron.runs.filter((run) => run !== null).map((run) => run.explanation);
  return [neuron.id, neuron.group, neuron.reference, ...said].join("\n").toLowerCase();
}

// Whether a run has not got the neuron, broke, lacks an excerpt or lacks the score shown.
function failed(neuron, scorer) {
  return neuron.runs.some(
    (run) => run === null || run.errors || run.failures || run.unscored?.[scorer],
  );
}

function readFilter(form) {
  const number = (name) => (form[name].value === "" ? null : Number(form[name].value));
  return {
    words: form.text.value.toLowerCase().split(/\s+/).filter(Boolean),
    scorer: Number(form.scorer.value || 0),
    run: form.run.value === "" ? null : Number(form.run.value),
    layer: form.layer.value === "" ? null : Number(form.layer.value),
    group: form.group.value,
    low: number("low"),
    high: number("high"),
    disagreement: number("disagreement"),
    trouble: form.trouble.checked,
  };
}

// A neuron without the number that is asked for is not among the found.
function wanted(filter, neuron, text, numbers) {
  const score = filter.run === null ? numbers.mean : numbers.scores[filter.run];
  return (
    filter.words.every((word) => text.includes(word)) &&
    (filter.layer === null || neuron.layer === filter.layer) &&
    (filter.group === "" || neuron.group === filter.group) &&
    within(score, filter.low, filter.high) &&
    within(numbers.disagreement, filter.disagreement, null) &&
    (!filter.trouble || failed(neuron, filter.scorer))
  );
}

function within(value, low, high) {
  if (low === null && high === null) return true;
  return value !== null && (low === null || value >= low) && (high === null || value <= high);
}
