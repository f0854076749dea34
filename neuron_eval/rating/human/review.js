// What is saved and can still be changed, handing it over, and the keys.

let wasOpen = 0; // open questions when the review was drawn
let listed = {}; // the time of each answer that it lists, by question

function review() {
  putAside();
  wasOpen = overview.open.length;
  listed = times();
  const count = overview.answered.length;
  byId("review-text").textContent = words.review(count, wasOpen);
  byId("go-on").hidden = wasOpen === 0;
  byId("hand-over").textContent = words.handOver(count);
  byId("answers").replaceChildren(...overview.answered.map(line));
  if (view("review")) focusReview();
}

function times() {
  return Object.fromEntries(overview.answered.map(({ key, at }) => [key, at]));
}

function isOutdated() {
  return overview.open.length !== wasOpen || JSON.stringify(times()) !== JSON.stringify(listed);
}

function focusReview() {
  window.scrollTo(0, 0);
  // Not on the button that hands over: the Enter that saved the last answer may come twice.
  byId(wasOpen ? "go-on" : "review-title").focus({ preventScroll: true });
  say(byId("review-text").textContent);
}

function line({ key, title, answer }) {
  const button = make("button", { type: "button" }, "Change", make("span", { class: "hidden" }, ` ${title}`));
  button.addEventListener("click", () => act(() => show(key)));
  return make("li", {}, make("span", {}, title), make("span", {}, inWords(answer)), button);
}

function inWords(answer) {
  if (answer.skipped !== undefined) return `skipped: ${answer.skipped}`;
  const ratings = Object.entries(answer.ratings).map(([letter, value]) => `${letter} ${value}`);
  return `${ratings.join(", ")}; best ${answer.best}`;
}

function handOver() {
  return act(async () => {
    const { handed_over } = await ask("hand-over", { answers: listed });
    await refresh();
    await handedOver(handed_over);
  });
}

function goBack() {
  return act(async () => {
    const key = previous();
    if (key !== undefined) await show(key);
  });
}

const TEXT = "textarea, input[type=text]";
const PRESSED = "button, summary, a, [type=checkbox]";

function pressed(event) {
  // a key held down presses once, also on the button that comes next
  if (event.repeat && event.key === "Enter") event.preventDefault();
  if (shown() !== "question" || current === null || event.isComposing) return;
  const target = event.target instanceof Element ? event.target : document.body;
  if (event.key === "Escape") return leave(target);
  if (target.matches("textarea") && event.key === "Enter" && event.ctrlKey) return take(event, next);
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (target.matches(TEXT) || !byId("keys").checked) return;
  if (event.key === "Enter" && !event.repeat && !target.matches(PRESSED)) return take(event, next);
  if (event.key === "Backspace") return take(event, goBack);
  const letter = event.key.toUpperCase();
  if (letter.length === 1 && current.question.options.some((one) => one.letter === letter)) {
    return take(event, () => pick(letter, event.shiftKey));
  }
  if (letter === "S") return take(event, startSkipping);
  if (/^[0-9]$/.test(event.key)) rate(current.letter, Number(event.key))?.focus();
}

function leave(target) {
  if (!byId("skipping").hidden) stopSkipping();
  else if (target.matches(TEXT)) focusTitle("title");
}

function take(event, action) {
  event.preventDefault();
  action();
}

// The letter moves there; with Shift it is also the best one.
function pick(letter, asBest) {
  if (asBest) best(letter);
  const set = setOf(letter);
  const name = asBest ? "best" : `rating-${letter}`;
  const inputs = `[name="${name}"]`;
  (set.querySelector(`${inputs}:checked`) ?? set.querySelector(inputs)).focus();
}

document.addEventListener("keydown", pressed);
byId("next").addEventListener("click", next);
byId("back").addEventListener("click", goBack);
byId("skip").addEventListener("click", startSkipping);
byId("unskip").addEventListener("click", stopSkipping);
byId("review-now").addEventListener("click", () => act(async () => review()));
byId("go-on").addEventListener("click", () => act(proceed));
byId("hand-over").addEventListener("click", handOver);
byId("skipping").addEventListener("submit", (event) => take(event, next));

setInterval(poll, POLL_MS);
poll();
