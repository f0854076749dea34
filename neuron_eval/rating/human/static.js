// Answers without a server: the browser keeps them, under a key of this page and rater.

const PAGE = JSON.parse(byId("data").textContent); // {rater, key, file, questions}
const QUESTIONS = new Map(PAGE.questions.map((one) => [one.key, one]));
const KEPT_AS = `neuron_eval answers ${PAGE.key}`;

let kept = true; // whether the browser keeps what it is given
let answers = { replies: {}, file: "" }; // file: none yet "", "saved", or "old"
let news = "";
const since = new Map(); // when a question was shown, milliseconds

const words = {
  progress: (done, known) => `${done} of ${known} answered`,
  kept: () => (kept ? "Saved." : "Taken down until this page is closed."),
  review: (count, open) => `${AFTER[answers.file]}${open ? ` Still open: ${open}.` : ""}`,
  handOver: () => "Save answers to a file",
  gone: "Something went wrong; what is on this page now is not saved.",
};
const AFTER = {
  "": "When you are done, save your answers to a file and send it to whoever gave you this page.",
  saved: `Look for ${PAGE.file} among your downloads and send it to whoever gave you this page. `
    + "You can still change answers; then save the file again and send that one.",
  old: "You have answered more, or changed an answer, since you saved the file: save it again.",
};

function ask(path, body) {
  const [name, key] = path.split("/");
  const asked = { state, question, answer, "hand-over": saveFile };
  return asked[name](body ?? key);
}

async function state() {
  recall();
  const { replies } = answers;
  const open = PAGE.questions.map((one) => one.key).filter((key) => !(key in replies));
  const answered = Object.entries(replies).map(([key, { answer: given, at }]) =>
    ({ key, title: QUESTIONS.get(key).question.title, answer: given, at }));
  return { rater: PAGE.name, open, answered, handed_over: 0, seconds_left: left(open.length) };
}

function left(open) {
  const times = Object.values(answers.replies).map((reply) => reply.seconds)
    .filter((seconds) => seconds !== null).sort((a, b) => a - b);
  if (!times.length) return null;
  return open * (times[(times.length - 1) >> 1] + times[times.length >> 1]) / 2;
}

async function question(key) {
  recall();
  const reply = answers.replies[key];
  if (!reply) since.set(key, performance.now());
  return { question: QUESTIONS.get(key).question, answer: reply?.answer ?? null, at: reply?.at ?? null };
}

async function answer({ question: key, answer: given, replaces }) {
  const wrong = unsound(given, QUESTIONS.get(key).question);
  if (wrong) throw new Refused(`This is no answer: ${wrong}.`);
  recall();
  const before = answers.replies[key];
  if ((before?.at ?? null) !== replaces) {
    throw new Refused("Another answer was saved meanwhile, in another tab; it is shown now.");
  }
  let at = now();
  while (at === replaces) at = now(); // by its time an answer is told from the one before
  put({ [key]: { answer: given, seconds: before ? before.seconds : lasted(key), at } });
  return { at };
}

function lasted(key) {
  return since.has(key) ? Math.round((performance.now() - since.get(key)) / 100) / 10 : null;
}

function now() {
  return new Date().toISOString().replace("Z", "+00:00");
}

function put(replies) {
  news = "";
  keep({ replies: { ...answers.replies, ...replies }, file: answers.file && "old" });
}

// What the browser keeps

// Another tab may have answered meanwhile.
function recall() {
  if (!kept) return;
  try {
    const text = localStorage.getItem(KEPT_AS);
    if (text !== null) answers = sound(JSON.parse(text));
    else if (Object.keys(answers.replies).length) keep(answers); // it was cleared
  } catch (error) {
    // what is kept there is not ours, or the browser refuses
    if (!(error instanceof SyntaxError || error instanceof TypeError)) kept = false;
  }
  notice();
}

function keep(next) {
  answers = next;
  if (kept) {
    const text = JSON.stringify(next);
    try {
      localStorage.setItem(KEPT_AS, text);
      kept = localStorage.getItem(KEPT_AS) === text;
    } catch {
      kept = false;
    }
  }
  notice();
}

function sound({ replies, file }) {
  const whole = Object.entries(replies).filter(([key, reply]) =>
    QUESTIONS.has(key) && !unsound(reply.answer, QUESTIONS.get(key).question));
  return { replies: Object.fromEntries(whole), file: file in AFTER ? file : "" };
}

function notice() {
  const where = kept
    ? "Your answers are kept in this browser, on this computer. A private window forgets them when you close it."
    : "This browser does not keep your answers: closing or reloading this page loses them. Save them to a file before that; the file can be loaded again.";
  const lines = [make("p", kept ? { class: "note" } : { class: "warning", role: "alert" }, where)];
  if (news) lines.push(make("p", { class: "news" }, news));
  const text = lines.map((one) => one.textContent).join("\n");
  if (byId("notice").dataset.text === text) return;
  byId("notice").dataset.text = text;
  byId("notice").replaceChildren(...lines);
  byId("notice").hidden = false;
  byId("next").textContent = kept ? "Save, next" : "Next";
}

function lost() {
  problem(words.gone);
}

addEventListener("beforeunload", (event) => {
  if (!kept && answers.file !== "saved" && Object.keys(answers.replies).length) event.preventDefault();
});

recall();
keep(answers); // finds out whether the browser keeps anything
