// For admins: the nodes' tokens and the invitations that make them.
import { ask, confirm, el, hour, settings } from "./live.js";

function table(keys, empty, verb) {
  if (keys.length === 0) return el("p", { class: "gpus-empty" }, empty);
  const heads = ["Node", "Made", "By", ...(keys.some((key) => key.expires_at) ? ["Good until"] : []), ""];
  return el(
    "div",
    { class: "table-responsive" },
    el(
      "table",
      { class: "table align-middle" },
      el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col" }, text)))),
      el(
        "tbody",
        {},
        keys.map((key) =>
          el(
            "tr",
            {},
            el("td", { class: "text-break" }, key.node),
            el("td", {}, hour(key.made_at)),
            el("td", { class: "text-break" }, key.by),
            key.expires_at && el("td", {}, hour(key.expires_at)),
            el("td", { class: "text-end" }, el("button", { type: "button", class: "btn btn-sm btn-outline-danger", "aria-label": `${verb} ${key.node}'s`, onclick: () => askRevoke(key) }, `${verb}…`)),
          ),
        ),
      ),
    ),
  );
}

function askRevoke(key) {
  confirm({
    title: key.expires_at ? `Withdraw the invitation of ${key.node}?` : `Revoke the token of ${key.node}?`,
    text: [key.expires_at ? "It cannot be spent any more." : "Its agent is refused at once. What runs there goes on, out of sight; the node takes nothing new until its agent joins again."],
    button: key.expires_at ? "Withdraw" : "Revoke",
    act: async () => {
      await ask("DELETE", `/join-tokens/${key.id}`);
      await refresh();
    },
  });
}

async function refresh() {
  const known = await ask("GET", "/join-tokens");
  document.getElementById("tokens").replaceChildren(table(known.tokens, "No node has joined yet.", "Revoke"));
  document.getElementById("invitations").replaceChildren(table(known.invitations, "There are none.", "Withdraw"));
}

document.getElementById("invite").addEventListener("submit", async (event) => {
  event.preventDefault();
  const made = document.getElementById("made");
  try {
    const node = document.getElementById("invite-node").value;
    const { command } = await ask("POST", "/join-tokens", { node });
    const copy = el("button", { type: "button", class: "btn btn-sm btn-outline-contrast", onclick: () => navigator.clipboard?.writeText(command).then(() => (copy.textContent = "Copied")) }, "Copy");
    made.replaceChildren(el("div", { class: "alert alert-success" }, el("p", {}, `Run this on ${node}, as the account of its agent. It is shown only now:`), el("div", { class: "gpus-command" }, el("code", {}, command), copy)));
    await refresh();
  } catch (error) {
    made.replaceChildren(el("p", { class: "alert alert-danger", role: "alert" }, error.message));
  }
});

refresh().catch((error) => document.getElementById("made").replaceChildren(el("p", { class: "alert alert-danger", role: "alert" }, error.message)));
