// Key pairs for a user's own PCs: what there is, new ones with their file, and their end.
import { ask, confirm, el, settings } from "./live.js";

const INSTALL = "pip install clearml";
const LINES = `from clearml import Task
task = Task.init(project_name="From my PC", task_name="Hello")`;

const form = document.getElementById("make");
const field = document.getElementById("pc-name");
const made = document.getElementById("made");

/** Give clearml.conf. This page's own address is the one that a PC reaches. */
function configuration(key) {
  const base = window.location.origin + settings.tracking.replace(/\/$/, "");
  return `# ${key.name}: keys of ${settings.me}, made ${key.made_on}. Whoever has this file acts as you.
api {
  api_server: ${base}
  web_server: ${base}
  files_server: ${base}/files
  credentials {
    access_key: "${key.access_key}"
    secret_key: "${key.secret_key}"
  }
}
sdk.development.report_use_subprocess: false
`;
}

function copied(text, label) {
  const button = el("button", { type: "button", class: "btn btn-sm btn-outline-contrast", "aria-label": `Copy ${label}`, onclick: () => navigator.clipboard?.writeText(text).then(() => (button.textContent = "Copied")) }, "Copy");
  return button;
}

function block(text, label) {
  return el("div", { class: "pc-block" }, el("pre", { "aria-label": label, tabindex: "0" }, el("code", {}, text)), copied(text, label));
}

function showMade(key) {
  const text = configuration(key);
  const file = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const where = "~/clearml.conf";
  made.replaceChildren(
    el(
      "section",
      { class: "pc-made", "aria-label": `Keys for ${key.name}` },
      el("h2", { class: "h4" }, key.name, " in three steps"),
      el("p", { class: "alert alert-warning py-2" }, "The secret is shown only now: keep the file before you leave this page."),
      el(
        "ol",
        { class: "pc-steps" },
        el("li", {}, "Put this file on the PC as ", el("code", {}, where), " (on Windows ", el("code", {}, "%USERPROFILE%\\clearml.conf"), "): ", el("a", { class: "btn btn-sm btn-primary", href: file, download: "clearml.conf" }, "Download clearml.conf"), block(text, "clearml.conf")),
        el("li", {}, "Install the SDK:", block(INSTALL, "the command")),
        el("li", {}, "Begin your script with these two lines:", block(LINES, "the two lines")),
      ),
      el("p", { class: "gpus-quiet" }, `The file names ${window.location.origin}, by which you see this page: the PC must reach it by the same address.`),
    ),
  );
}

function table(keys) {
  if (keys.length === 0) return el("p", { class: "gpus-empty" }, "There are none yet.");
  const heads = ["Name", "Access key", "Made", ""];
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
            el("td", { class: "text-break" }, key.name),
            el("td", {}, el("code", {}, `${key.access_key.slice(0, 8)}…`)),
            el("td", { class: "gpus-number" }, key.made_on),
            el("td", { class: "text-end" }, el("button", { type: "button", class: "btn btn-sm btn-outline-danger", "aria-label": `Revoke ${key.name}`, onclick: () => askRevoke(key) }, "Revoke…")),
          ),
        ),
      ),
    ),
  );
}

function askRevoke(key) {
  confirm({
    title: `Revoke the keys of ${key.name}?`,
    text: ["What runs there records nothing more from now on. Runs that are here stay."],
    button: "Revoke",
    act: async () => {
      await ask("DELETE", `/pc-keys/${encodeURIComponent(key.access_key)}`);
      await refresh();
    },
  });
}

function showWrong(error) {
  made.replaceChildren(el("p", { class: "alert alert-danger", role: "alert" }, error.message));
}

async function refresh() {
  const { keys } = await ask("GET", "/pc-keys");
  document.getElementById("keys").replaceChildren(table(keys));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = field.value.trim();
  field.classList.toggle("is-invalid", !name);
  if (!name) {
    showWrong(new Error("Give the PC a name, so that you know later whose keys these are."));
    field.focus();
    return;
  }
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const { key } = await ask("POST", "/pc-keys", { name });
    form.reset();
    showMade(key);
    await refresh();
  } catch (error) {
    showWrong(error);
  } finally {
    button.disabled = false;
  }
});

refresh().catch(showWrong);
