// Whether what a file or the browser holds is an answer.

const MAX_TEXT = 10000;

// Why something is no answer to a question; nothing if it is one.
function unsound(given, { options, scale }) {
  if (!isObject(given)) return "it is no object";
  if ("skipped" in given) return given.skipped === "" ? "the reason is empty" : badText(given.skipped);
  if (!isObject(given.ratings)) return "there are no ratings";
  const letters = options.map((one) => one.letter);
  if (!letters.includes(given.best)) return "the best one is missing";
  if (Object.keys(given.ratings).length !== letters.length) return "ratings are missing, or too many";
  const off = letters.find((letter) => {
    const rating = given.ratings[letter];
    return !Number.isInteger(rating) || rating < scale.least || rating > scale.most;
  });
  return off ? `the rating of ${off} is not on the scale` : badText(given.comment);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function badText(text) {
  if (typeof text !== "string") return "a text is missing";
  if (text.length > MAX_TEXT) return `a text has more than ${MAX_TEXT} characters`;
  try {
    encodeURIComponent(text);
    return "";
  } catch {
    return "a text holds half a character";
  }
}
