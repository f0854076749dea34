// The question on the page, and saving its answer.

let current = null; // {key, question, letter, saved, at, clean}
let begun = false;

async function show(key) {
  const { question, answer, at } = await ask(`question/${key}`);
  putAside();
  current = { key, question, letter: question.options[0].letter, saved: answer !== null, at };
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
  choose(current.letter);
  view("question"); // whose problem is meant
  problem("");
  fill({ ...answer, reason: answer?.skipped });
  current.clean = asText(form());
  takeUp();
  byId("back").disabled = previous() === undefined;
  byId("review-now").hidden = !overview.answered.length;
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

function previous() {
  const keys = overview.answered.map((one) => one.key);
  const at = keys.indexOf(current.key);
  return at === -1 ? keys.at(-1) : keys[at - 1];
}

async function save(answer) {
  const { key, saved, at } = current;
  const clean = asText(form());
  ({ at: current.at } = await ask("answer", { question: key, answer, replaces: at }));
  current.clean = clean;
  await refresh();
  const keys = overview.answered.map((one) => one.key);
  const following = keys[keys.indexOf(key) + 1];
  if (saved && following !== undefined) await show(following);
  else await proceed();
  say(`${words.kept()} ${byId("progress").textContent}.`);
}

function next() {
  return act(async () => {
    if (!current) return; // pressed twice, and the first saved the last question
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
