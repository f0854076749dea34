// One question at a time; `ask`, of server.js or static.js, keeps the state.

const POLL_MS = 1000;

let overview = { open: [], answered: [] };
let current = null; // {key, question, letter, saved}
let last = Promise.resolve();
let begun = false;
let wasOpen = 0; // open questions when the review was drawn

class Refused extends Error {}

// Progress

async function refresh() {
  overview = await ask("state");
  const done = overview.answered.length + overview.handed_over;
  const known = done + overview.open.length;
  byId("who").textContent = `Rating as ${overview.rater}`;
  byId("bar").max = Math.max(known, 1);
  byId("bar").value = done;
  byId("progress").textContent = `${words.progress(done, known)}${timeLeft()}`;
}

function timeLeft() {
  const seconds = overview.seconds_left;
  if (!seconds) return "";
  if (seconds < 90) return ", about a minute left";
  return `, about ${Math.round(seconds / 60)} minutes left`;
}

// What to do now: the question on the page stays until it is saved.
async function proceed() {
  if (overview.open.length) await show(overview.open[0]);
  else if (overview.answered.length) review();
  else {
    current = null;
    if (view("waiting")) focusTitle("waiting-title");
  }
}

function poll() {
  return queue(async () => {
    await refresh();
    if (shown() === "review") {
      if (overview.open.length !== wasOpen) review();
      if (!overview.answered.length) await proceed();
    } else if (shown() !== "question") await proceed();
  });
}

function act(action) {
  return queue(() => {
    problem("");
    return action();
  });
}

// One after the other, so that none sees half of what another does.
function queue(action) {
  last = last.then(action).catch(failed);
  return last;
}

async function failed(error) {
  if (error instanceof Refused) await refused(error.message).catch(gone);
  else gone(error);
}

// Another tab may have handed over what stands here.
async function refused(message) {
  await refresh();
  const keys = [...overview.open, ...overview.answered.map((one) => one.key)];
  if (current && !keys.includes(current.key)) await proceed();
  problem(message);
}

function gone(error) {
  if (!(error instanceof TypeError || error instanceof SyntaxError)) console.error(error);
  if (shown() === "question") problem(words.gone);
  else lost();
}

function problem(text) {
  byId(shown() === "review" ? "review-problem" : "problem").textContent = text;
}

// A question

async function show(key) {
  const { question, answer } = await ask(`question/${key}`);
  current = { key, question, letter: question.options[0].letter, saved: answer !== null };
  byId("title").textContent = question.title;
  byId("instructions").textContent = question.instructions;
  if (!begun && overview.answered.length + overview.handed_over) {
    begun = true;
    byId("about").open = false; // who has answered once knows what to do
  }
  byId("excerpts").replaceChildren(...question.excerpts.map(excerpt));
  const { least, most, least_means, most_means } = question.scale;
  byId("scale").textContent = `${least}: ${least_means}; ${most}: ${most_means}.`;
  byId("options").replaceChildren(...question.options.map(option));
  byId("comment").value = answer?.comment ?? "";
  byId("skipping").hidden = true;
  byId("reason").value = answer?.skipped ?? "";
  for (const [letter, rating] of Object.entries(answer?.ratings ?? {})) rate(letter, rating);
  if (answer?.best) best(answer.best);
  choose(current.letter);
  problem("");
  byId("back").disabled = previous() === undefined;
  byId("review-now").hidden = !overview.answered.length;
  view("question");
  focusTitle("title");
}

function excerpt({ tokens, levels, highlighted }, i) {
  const spans = tokens.map((token, at) => {
    const kind = highlighted[at] ? "mark" : "span";
    return make(kind, highlighted[at] ? { class: `l${levels[at]}` } : {}, token);
  });
  const marked = tokens.flatMap((token, at) =>
    highlighted[at] ? [`${token.trim() || "blank"} (${levels[at]} of 10)`] : []);
  const spoken = `Highlighted: ${marked.join(", ") || "nothing"}.`;
  return make("section", {}, make("h3", {}, `Excerpt ${i + 1}`),
    make("p", { class: "tokens", dir: "ltr" }, ...spans), make("p", { class: "hidden" }, spoken));
}

function option({ letter, explanation }) {
  const { least, most, least_means, most_means } = current.question.scale;
  const means = { [least]: `, ${least_means}`, [most]: `, ${most_means}` };
  const ratings = [];
  for (let value = least; value <= most; value++) {
    const spoken = `${value}${means[value] ?? ""}`;
    const name = `rating-${letter}`;
    const input = make("input", { type: "radio", name, value, "aria-label": spoken });
    ratings.push(make("label", {}, input, String(value)));
  }
  const top = make("label", { class: "best" },
    make("input", { type: "radio", name: "best", value: letter }), "best",
    make("span", { class: "hidden" }, ` is ${letter}`));
  const said = make("p", { class: "said", id: `said-${letter}`, dir: "auto" }, explanation);
  const set = make("fieldset",
    { class: "option", "data-letter": letter, "aria-describedby": said.id },
    make("legend", {}, make("span", { class: "hidden" }, "Explanation "), letter),
    said, make("div", { class: "ratings" }, ...ratings, top));
  set.addEventListener("focusin", () => choose(letter));
  return set;
}

function setOf(letter) {
  return byId("options").querySelector(`[data-letter="${letter}"]`);
}

function choose(letter) {
  current.letter = letter;
  for (const set of byId("options").children) {
    set.classList.toggle("current", set.dataset.letter === letter);
  }
}

function rate(letter, value) {
  const input = setOf(letter).querySelector(`[name^="rating"][value="${value}"]`);
  if (input) input.checked = true;
  return input;
}

function best(letter) {
  setOf(letter).querySelector("[name=best]").checked = true;
}

function drafted() {
  const ratings = {};
  const missing = [];
  for (const { dataset: { letter } } of byId("options").children) {
    const input = setOf(letter).querySelector("[name^=rating]:checked");
    if (input) ratings[letter] = Number(input.value);
    else missing.push(letter);
  }
  const chosen = byId("options").querySelector("[name=best]:checked");
  if (missing.length) return { lacking: `Not rated yet: ${missing.join(", ")}.` };
  if (!chosen) return { lacking: "Which is the best one?" };
  return { answer: { ratings, best: chosen.value, comment: byId("comment").value.trim() } };
}

function previous() {
  const keys = overview.answered.map((one) => one.key);
  const at = keys.indexOf(current.key);
  return at === -1 ? keys.at(-1) : keys[at - 1];
}

async function save(answer) {
  const { key, saved } = current;
  await ask("answer", { question: key, answer });
  await refresh();
  const keys = overview.answered.map((one) => one.key);
  const following = keys[keys.indexOf(key) + 1];
  if (saved && following !== undefined) await show(following);
  else await proceed();
  say(`${words.kept()} ${byId("progress").textContent}.`);
}

function next() {
  return act(async () => {
    if (!byId("skipping").hidden) return skipNow();
    const { answer, lacking } = drafted();
    if (lacking) problem(lacking);
    else await save(answer);
  });
}

async function skipNow() {
  const reason = byId("reason").value.trim();
  if (reason) await save({ skipped: reason });
  else problem("Please say why.");
}

function startSkipping() {
  byId("skipping").hidden = false;
  byId("reason").focus();
}

function stopSkipping() {
  byId("skipping").hidden = true;
  focusTitle("title");
}
