// What stands in the form, and what was begun elsewhere in this tab and is not saved.

const drafts = new Map(); // by question: {at, filled}; at is the answer that is being changed

function form() {
  const ratings = {};
  for (const { dataset: { letter } } of byId("options").children) {
    const input = setOf(letter).querySelector("[name^=rating]:checked");
    if (input) ratings[letter] = Number(input.value);
  }
  const best = byId("options").querySelector("[name=best]:checked")?.value;
  const skipping = !byId("skipping").hidden;
  return { ratings, best, skipping, comment: byId("comment").value, reason: byId("reason").value };
}

function fill(filled) {
  for (const [letter, rating] of Object.entries(filled.ratings ?? {})) rate(letter, rating);
  if (filled.best) best(filled.best);
  byId("comment").value = filled.comment ?? "";
  byId("reason").value = filled.reason ?? "";
  byId("skipping").hidden = !filled.skipping;
}

function asText(filled) {
  return JSON.stringify(filled);
}

// The answer, or what it lacks.
function drafted() {
  const { ratings, best: chosen, comment } = form();
  const missing = current.question.options.map((one) => one.letter)
    .filter((letter) => !(letter in ratings));
  if (missing.length) return { lacking: `Not rated yet: ${missing.join(", ")}.` };
  if (!chosen) return { lacking: "Which is the best one?" };
  return { answer: { ratings, best: chosen, comment: comment.trim() } };
}

// Leave the question on the page.
function putAside() {
  if (!current) return;
  const { key, at, clean } = current;
  const filled = form();
  if (asText(filled) === clean) drafts.delete(key);
  else drafts.set(key, { at, filled });
  current = null;
}

// Leave the question on the page and what was begun there.
function forget(key) {
  drafts.delete(key);
  current = null;
}

// Go on with what was begun, unless another answer was saved since.
function takeUp() {
  const { key, at, saved } = current;
  const draft = drafts.get(key);
  if (!draft) return;
  if (draft.at !== at) {
    drafts.delete(key);
    problem("Another answer was saved meanwhile; it is shown now.");
    return;
  }
  fill(draft.filled);
  if (saved) problem("You have begun to change this answer; that is not saved yet.");
}
