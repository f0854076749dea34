// The file of answers: records as Inspect's precomputed_scores reads them.

function record({ id, key }) {
  const { answer: given, seconds, at } = answers.replies[key] ?? { answer: null, seconds: null, at: null };
  const metadata = { rater: PAGE.rater, question: key, answer: given, seconds, at };
  // no sample has the epoch 0
  if (given === null) return { id, epoch: 0, value: "not answered", metadata };
  if ("skipped" in given) return { id, epoch: 0, value: "skipped", explanation: given.skipped, metadata };
  const ratings = Object.values(given.ratings);
  const mean = ratings.reduce((sum, rating) => sum + rating, 0) / ratings.length;
  const explanation = Object.entries(given.ratings).map((one) => one.join(" ")).join(", ");
  return { id, value: mean, answer: given.best, explanation, metadata };
}

async function saveFile() {
  recall();
  const text = JSON.stringify(PAGE.questions.map(record), null, 1);
  const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  make("a", { href: address, download: PAGE.file }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  keep({ ...answers, file: "saved" });
  return { handed_over: Object.keys(answers.replies).length };
}

async function handedOver() {
  review();
  say(byId("review-text").textContent);
}

// Loading

function read(text) {
  let records;
  try {
    records = JSON.parse(text);
  } catch {
    throw new Refused("it is no JSON");
  }
  if (!Array.isArray(records) || !records.length) throw new Refused("it holds no list of answers");
  return Object.fromEntries(records.map(reply).filter(([, { answer: given }]) => given !== null));
}

function reply(one, i) {
  const about = isObject(one) && isObject(one.metadata) ? one.metadata : {};
  const where = `record ${i + 1}`;
  if (typeof about.rater !== "string") throw new Refused(`${where} names no rater`);
  if (about.rater !== PAGE.rater) throw new Refused(`${where} is of another rater`);
  const asked = QUESTIONS.get(about.question);
  if (!asked) throw new Refused(`${where} is of another questionnaire`);
  if (about.answer !== null) {
    const wrong = unsound(about.answer, asked.question);
    if (wrong) throw new Refused(`${where}: ${wrong}`);
  }
  const seconds = Number.isFinite(about.seconds) && about.seconds >= 0 ? about.seconds : null;
  const at = Number.isNaN(Date.parse(about.at)) ? now() : about.at;
  return [about.question, { answer: about.answer, seconds, at }];
}

// What was answered here later than in the file stays.
function merge(name, found) {
  recall();
  const isLater = ([key, { at }]) => Date.parse(answers.replies[key]?.at) > Date.parse(at);
  const all = Object.entries(found);
  const newer = all.filter((one) => !isLater(one));
  put(Object.fromEntries(newer));
  const stay = all.length - newer.length;
  const stayed = stay ? `; newer ones here stay: ${stay}` : "";
  news = `Answers loaded from ${name}: ${newer.length}${stayed}.`;
  notice();
}

function load() {
  const [file] = byId("file").files;
  byId("load-problem").textContent = "";
  if (!file) return undefined;
  return act(async () => {
    try {
      merge(file.name, read(await file.text()));
    } catch (error) {
      byId("load-problem").textContent = `${file.name} was not loaded: ${error.message}.`;
      return;
    } finally {
      byId("file").value = "";
    }
    byId("load").open = false;
    await refresh();
    if (shown() === "review") review();
    else if (!overview.open.includes(current?.key)) await proceed();
    say(news);
  });
}

byId("choose").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", load);
