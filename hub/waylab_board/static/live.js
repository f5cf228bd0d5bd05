// What the board's pages share: asking, listening, words for times, dialogs.

const READING_MS = 5000;
const CHANGING_MS = 60_000; // Some changes wait for the hub.

export const settings = JSON.parse(document.getElementById("board-settings").textContent);

/** Make an element: attributes, then children (text or elements; null is left out). */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Ask the board; a refusal is thrown with the board's own sentence. */
export async function ask(method, path, body) {
  let answer;
  try {
    answer = await fetch(settings.api + path, {
      method,
      headers: { "Content-Type": "application/json", "X-XSRFToken": settings.xsrf },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      // Behind a proxy a question may stay without any answer.
      signal: AbortSignal.timeout(method === "GET" ? READING_MS : CHANGING_MS),
    });
  } catch {
    throw new Error("The board does not answer. It is asked again.");
  }
  const said = await answer.json().catch(() => null);
  if (answer.status === 401) {
    window.location.reload(); // The page signs in anew.
    throw new Error("You are signed out.");
  }
  if (!answer.ok) throw new Error(said?.message || `The board answers ${answer.status}.`);
  if (said === null) throw new Error("The board's answer broke off. It is asked again.");
  return said;
}

/**
 * Call `refresh` now, after every change of the board, and at least every ten seconds;
 * never twice at once and at most once a second.
 */
export function follow(refresh) {
  const live = document.getElementById("live");
  let running = false;
  let again = false;
  let fails = 0;
  const show = (isLive) => {
    live.classList.toggle("is-live", isLive);
    live.textContent = isLive ? "live" : "connecting…";
  };
  const run = async () => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    again = false;
    try {
      await refresh();
      fails = 0;
      show(true);
    } catch (error) {
      fails += 1;
      if (fails > 1) show(false);
    }
    setTimeout(() => {
      running = false;
      if (again) run();
    }, 1000);
  };
  const source = new EventSource(`${settings.api}/stream`);
  source.addEventListener("version", run);
  source.addEventListener("error", run);
  setInterval(run, 5000); // Utilisation has no versions, and a stream may be blocked.
  document.addEventListener("visibilitychange", () => document.hidden || run());
  show(true);
  return run;
}

/** Keep a list of elements as the items say; what did not change stays as it is. */
export function keep(parent, items, keyOf, render) {
  const known = parent.kept || new Map();
  const next = new Map();
  const focus = document.activeElement;
  let before = null;
  for (const item of items) {
    const key = keyOf(item);
    const looks = JSON.stringify(item);
    let entry = known.get(key);
    if (!entry || entry.looks !== looks) {
      const made = render(item);
      if (entry) {
        const act = entry.made.contains(focus) && focus.dataset ? focus.dataset.act : undefined;
        entry.made.replaceWith(made);
        if (act) made.querySelector(`[data-act="${act}"]`)?.focus();
      }
      entry = { looks, made };
    }
    next.set(key, entry);
    const follows = before ? before.nextSibling : parent.firstChild;
    if (follows !== entry.made) parent.insertBefore(entry.made, follows);
    before = entry.made;
  }
  for (const [key, entry] of known) if (!next.has(key)) entry.made.remove();
  while (before ? before.nextSibling : parent.firstChild) (before ? before.nextSibling : parent.firstChild).remove();
  parent.kept = next;
}

/** Says of GPUs that they are not real. */
export function simulatedBadge() {
  return el("span", { class: "badge text-bg-info", title: "These GPUs are not real: they are there to try Waylab out." }, "simulated");
}

export function showTroubles(troubles) {
  keep(
    document.getElementById("troubles"),
    troubles,
    (text) => text,
    (text) => el("p", { class: "alert alert-warning py-2", role: "status" }, text),
  );
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const dated = new Intl.DateTimeFormat("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit" });
const whole = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const DAY = 24 * 3600 * 1000;

/** A time of day, with the weekday where it is another day. */
export function hour(moment) {
  const at = new Date(moment);
  const other = at.toDateString() !== new Date().toDateString();
  if (Math.abs(at - Date.now()) > 6 * DAY) return whole.format(at);
  return (other ? dated : clock).format(at);
}

export function time(moment) {
  return el("time", { datetime: moment, title: whole.format(new Date(moment)) }, hour(moment));
}

/** How long, roughly: "4 min", "3 h 20 min", "2 days". */
export function span(milliseconds) {
  const minutes = Math.max(0, Math.round(milliseconds / 60000));
  if (minutes < 1) return "a moment";
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 10) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  if (hours < 48) return `${hours} h`;
  return `${Math.round(hours / 24)} days`;
}

/** When a ticket's turn may come, honestly. */
export function expected(ticket) {
  const from = ticket.expected_from ? new Date(ticket.expected_from) : null;
  const to = ticket.expected_to ? new Date(ticket.expected_to) : null;
  const soon = from && from - Date.now() < 60000;
  if (!from && !to) return "nobody can say";
  if (!to) return soon ? "any moment, or much later: some have no time limit" : `not before ${hour(from)}`;
  if (!from || soon) return to - Date.now() < 60000 ? "any moment" : `by ${hour(to)} at the latest`;
  return hour(from) === hour(to) ? `about ${hour(from)}` : `between ${hour(from)} and ${hour(to)}`;
}

/** Whose and what: "ada's lab", "bob's job train-resnet". */
export function holderText(one) {
  if (one.holder.startsWith("lab:")) {
    const server = one.holder.slice(one.holder.indexOf("/") + 1);
    return server ? `lab ${server}` : "lab";
  }
  return one.note ? `job ${one.note}` : `job ${one.holder.slice(4)}`;
}

/** Ask before something is done; `typed` must be typed for it. `act` may throw. */
export function confirm({ title, text, button, typed = "", act }) {
  const dialog = document.getElementById("ask");
  const part = (id) => document.getElementById(`ask-${id}`);
  part("title").textContent = title;
  part("text").replaceChildren(...text.map((line) => (line instanceof Node ? line : el("p", {}, line))));
  part("typed").hidden = !typed;
  part("typed").firstElementChild.textContent = `Write ${typed} to go on`;
  part("word").value = "";
  part("error").hidden = true;
  const go = part("do");
  go.textContent = button;
  const check = () => {
    go.disabled = Boolean(typed) && part("word").value !== typed;
  };
  check();
  part("word").oninput = check;
  go.onclick = async () => {
    go.disabled = true;
    try {
      await act();
      dialog.close();
    } catch (error) {
      part("error").textContent = error.message;
      part("error").hidden = false;
      check();
    }
  };
  // Enter in the field does what the button says, not "Cancel".
  part("word").onkeydown = (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      if (!go.disabled) go.click();
    }
  };
  dialog.showModal();
  (typed ? part("word") : dialog.querySelector("[value=cancel]")).focus();
}
