// The eval's server keeps the answers, and gets them when they are handed over.

const words = {
  progress: (done, known) => `${done} of ${known} answered`,
  kept: () => "Saved.",
  review: (count, open) => {
    const more = open ? ` ${open} more wait for you.` : "";
    return `${count} saved here. You can change them until you hand them over; the eval gets them then.${more}`;
  },
  handOver: (count) => `Hand over ${count}`,
  gone: "The eval does not answer; what is on this page now is not saved.",
  back: "The eval answers again: save what is on this page when you are done.",
};

const PATIENCE_MS = 30_000;

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const { ok, data } = await reply(path, options);
  if (!ok) throw new Refused(data.error);
  return data;
}

async function reply(path, options) {
  try {
    const got = await fetch(path, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) });
    return { ok: got.ok, data: await got.json() };
  } catch (error) {
    throw new Away("no reply", { cause: error });
  }
}

function lost() {
  const { open, answered, handed_over } = overview;
  if (handed_over && !open.length && !answered.length) {
    byId("lost-title").textContent = "Done";
    byId("lost-text").textContent =
      `All ${handed_over} answers are handed over, and the eval has ended. You can close this page.`;
  }
  if (view("lost")) focusTitle("lost-title");
}

async function handedOver(count) {
  await proceed();
  say(`${count} handed over.`);
}
