// What to do now, one thing after the other; `ask`, of server.js or static.js, keeps the state.

const POLL_MS = 1000;

let overview = { open: [], answered: [] };
let last = Promise.resolve();
let polling = false; // a poll waits for its turn or its reply
let away = false; // there was no reply the last time

class Refused extends Error {}
class Away extends Error {}

// Progress

async function refresh() {
  overview = await ask("state");
  back();
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

// The time of the answer that is saved; null if there is none.
function savedAt(key) {
  return overview.answered.find((one) => one.key === key)?.at ?? null;
}

// What to do now: the question on the page stays until it is saved.
async function proceed() {
  if (overview.open.length) await show(overview.open[0]);
  else if (overview.answered.length) review();
  else {
    putAside();
    if (view("waiting")) focusTitle("waiting-title");
  }
}

async function poll() {
  if (polling) return;
  polling = true;
  await queue(async () => {
    await refresh();
    if (shown() === "review") {
      if (isOutdated()) review();
      if (!overview.answered.length) await proceed();
    } else if (shown() !== "question") await proceed();
  });
  polling = false;
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

// What goes wrong

async function failed(error) {
  if (error instanceof Refused) await refused(error.message).catch(gone);
  else gone(error);
}

// Another tab may have saved or handed over what stands here.
async function refused(message) {
  await refresh();
  if (shown() === "review") review();
  else if (current) await showChanged();
  problem(message);
}

async function showChanged() {
  const { key, at } = current;
  const now = savedAt(key);
  if (now === null && !overview.open.includes(key)) await proceed();
  else if (now !== at) {
    forget(key);
    await show(key);
  }
}

function gone(error) {
  away = error instanceof Away;
  if (!away) console.error(error);
  if (shown() === "question") problem(words.gone);
  else lost();
}

function back() {
  if (away && shown() === "question") problem(words.back);
  away = false;
}

function problem(text) {
  byId(shown() === "review" ? "review-problem" : "problem").textContent = text;
}
