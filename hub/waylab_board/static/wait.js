// The waiting page: a place in the line, who is before, and what could be had at once.
import { ask, confirm, el, expected, follow, holderText, hour, keep, settings, showTroubles, simulatedBadge, span } from "./live.js";

const NAMED = 8;
const title = document.title;
let state = settings.state;
let ticket = null;
let told = false;
let gone = false;

function spawnPage() {
  const { user, server } = settings.lab;
  const path = [user, server].filter(Boolean).map(encodeURIComponent).join("/");
  return { pending: `${settings.hub}spawn-pending/${path}`, choose: `${settings.hub}spawn/${path}` };
}

function ordinal(number) {
  const tens = number % 100;
  const ends = tens > 10 && tens < 14 ? "th" : { 1: "st", 2: "nd", 3: "rd" }[number % 10] || "th";
  return `${number}${ends}`;
}

/** Which of the page's faces a ticket shows. */
function face() {
  if (ticket.state === "waiting") return "waiting";
  if (ticket.state === "granted") return ticket.reason ? "refused" : "turn";
  return ticket.reason === "taken" ? "taken" : "closed";
}

function place(view) {
  const wants = el("p", {}, "You wait for ", el("strong", {}, view.wants), ` since ${hour(view.created_at)} (${span(Date.now() - new Date(view.created_at))}). `, view.simulated && simulatedBadge());
  const faces = {
    waiting: () => [
      el("h1", { class: "gpus-place" }, view.position ? `${ordinal(view.position)} in line` : "In line"),
      wants,
      el("p", { class: "gpus-expected" }, "Expected start: ", el("strong", {}, view.expected)),
      el("div", { class: "gpus-buttons" }, bell(), giveUpButton()),
    ],
    turn: () => [el("h1", { class: "gpus-place" }, "It is your turn"), el("p", {}, settings.lab ? "Your lab is being started…" : "Your job is being started…"), el("div", { class: "spinner-border", role: "status", "aria-hidden": "true" })],
    taken: () => [el("h1", { class: "gpus-place" }, "It was your turn"), el("p", {}, settings.lab ? "Your lab is starting." : "Your job is starting."), settings.lab && el("a", { class: "btn btn-primary", href: spawnPage().pending }, "To my lab")],
    refused: () => [
      el("h1", { class: "gpus-place" }, "It is your turn"),
      el("p", { class: "alert alert-warning", role: "alert" }, view.reason),
      el("p", {}, "The devices are kept for you for some minutes, and it is tried again. If another lab of yours runs, stop it: then this one starts."),
      el("div", { class: "gpus-buttons" }, el("a", { class: "btn btn-outline-contrast", href: `${settings.hub}home` }, "My labs"), giveUpButton()),
    ],
    closed: () => [
      el("h1", { class: "gpus-place" }, "You do not wait any more"),
      el("p", {}, `This place in the line was closed: ${view.reason || "no reason was given"}.`),
      settings.lab && el("a", { class: "btn btn-primary", href: spawnPage().choose }, "Choose a lab"),
    ],
  };
  return el("div", { class: "gpus-card" }, faces[view.face]());
}

function bell() {
  if (!("Notification" in window) || !window.isSecureContext) return null;
  if (Notification.permission === "granted") return el("span", { class: "gpus-quiet" }, "You are told when it is your turn.");
  if (Notification.permission === "denied") return el("span", { class: "gpus-quiet" }, "Your browser shows no notifications of this site.");
  return el("button", { type: "button", class: "btn btn-outline-primary", "data-act": "bell", onclick: () => Notification.requestPermission().then(draw) }, "Tell me when it is my turn");
}

function giveUpButton() {
  if (!settings.lab) return null;
  return el(
    "button",
    {
      type: "button",
      class: "btn btn-outline-danger",
      "data-act": "give-up",
      onclick: () =>
        confirm({
          title: "Give up your place?",
          text: ["Whoever is behind you moves up. If you want the same later, you begin at the end of the line."],
          button: "Give up my place",
          act: async () => {
            await ask("DELETE", `/tickets/${settings.ticket}`);
            await refresh();
          },
        }),
    },
    "Give up my place",
  );
}

function before(view) {
  if (!view.show) return el("div", { hidden: true });
  const rows = view.named.map((one) => el("li", {}, el("span", { class: "gpus-name", title: one.user }, one.user), el("span", { class: "gpus-what", title: holderText(one) }, holderText(one)), el("span", { class: "gpus-quiet" }, `${one.wants} · ${one.expected}`)));
  if (view.more > 0) rows.push(el("li", { class: "gpus-quiet" }, `and ${view.more} more`));
  return el("div", { class: "gpus-card" }, el("h2", { class: "h5" }, "Before you"), rows.length ? el("ol", { class: "list-unstyled gpus-slot-list" }, rows) : el("p", { class: "mb-0" }, "Nobody: what you wait for goes to you as soon as it is free."));
}

function instead(view) {
  if (!view.show) return el("div", { hidden: true });
  return el(
    "div",
    { class: "gpus-card" },
    el("h2", { class: "h5" }, "At once instead"),
    el("ul", { class: "list-unstyled gpus-slot-list" }, view.choices.map((one) => el("li", {}, el("span", { class: "gpus-name", title: one.title }, one.title), el("span", { class: "gpus-quiet" }, one.text)))),
    el("a", { class: "btn btn-sm btn-outline-contrast", href: spawnPage().choose }, "Choose another lab"),
    el("p", { class: "gpus-quiet mt-2 mb-0" }, "You keep your place meanwhile. Long work belongs on a queue: it needs no lab that waits."),
  );
}

function draw() {
  if (!ticket) return;
  const now = face();
  const waits = now === "waiting";
  const minute = Math.floor(Date.now() / 60000);
  const allowed = "Notification" in window ? Notification.permission : "";
  const simulated = state.nodes.some((node) => node.devices.some((one) => one.device.simulated));
  keep(document.getElementById("place"), [{ face: now, wants: ticket.wants, created_at: ticket.created_at, position: ticket.position, reason: ticket.reason, expected: expected(ticket), simulated, minute, allowed }], () => "place", place);
  const line = new Map(state.line.map((one) => [one.id, one]));
  const ahead = ticket.ahead.map((id) => line.get(id)).filter(Boolean);
  const named = ahead.slice(0, NAMED).map((one) => ({ user: one.user, holder: one.holder, note: one.note, wants: one.wants, expected: expected(one) }));
  keep(document.getElementById("before"), [{ show: waits, named, more: ahead.length - named.length }], () => "before", before);
  const choices = settings.choices || [];
  keep(document.getElementById("instead"), [{ show: waits && Boolean(settings.lab) && choices.length > 0, choices }], () => "instead", instead);
  showTroubles(state.troubles);
  document.title = waits ? `${ticket.position ? `${ordinal(ticket.position)} in line` : "In line"} · ${title}` : now === "closed" ? title : `Your turn! · ${title}`;
  if (["turn", "taken", "refused"].includes(now)) tell();
  if (now === "taken" && settings.lab && !gone) {
    gone = true;
    window.location.assign(spawnPage().pending);
  }
}

function tell() {
  if (told) return;
  told = true;
  if ("Notification" in window && Notification.permission === "granted") {
    const note = new Notification("It is your turn", { body: `${ticket.wants}: your lab is starting.`, tag: ticket.id });
    note.onclick = () => {
      window.focus();
      note.close();
    };
  }
}

async function refresh() {
  [ticket, state] = await Promise.all([ask("GET", `/tickets/${settings.ticket}`), ask("GET", "/state")]);
  draw();
}

await refresh().catch(() => undefined);
follow(refresh);
