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
};

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const reply = await fetch(path, options);
  const data = await reply.json();
  if (!reply.ok) throw new Refused(data.error);
  return data;
}

function lost() {
  if (view("lost")) focusTitle("lost-title");
}

async function handedOver(count) {
  await proceed();
  say(`${count} handed over.`);
}
