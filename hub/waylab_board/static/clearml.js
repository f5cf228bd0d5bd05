// A user's own ClearML keys: what is kept, and new ones.
import { ask, confirm, el, hour } from "./live.js";

const known = document.getElementById("known");
const form = document.getElementById("enter");
const wrong = document.getElementById("wrong");
const button = form.querySelector("button");

function show(keys) {
  button.textContent = keys ? "Check and replace" : "Check and keep";
  if (!keys) {
    known.replaceChildren(el("div", { class: "alert alert-warning" }, "You have entered no keys yet: new tasks of yours are refused, and your labs cannot reach ClearML."));
    return;
  }
  const forget = el("button", { type: "button", class: "btn btn-sm btn-outline-danger", onclick: askForget }, "Forget…");
  known.replaceChildren(
    el(
      "div",
      { class: "alert alert-success keys-known" },
      el("div", {}, "Your keys are of the ClearML user ", el("strong", { class: "text-break" }, keys.clearml_user), ", entered ", hour(keys.entered_at), ". Access key: ", el("code", { class: "text-break" }, keys.access_key)),
      forget,
    ),
  );
}

function askForget() {
  confirm({
    title: "Forget your ClearML keys?",
    text: ["What runs goes on. New tasks of yours are refused until you enter keys again."],
    button: "Forget",
    act: async () => {
      await ask("DELETE", "/clearml-keys");
      show(null);
    },
  });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  wrong.textContent = "";
  const fields = [...form.querySelectorAll("input")];
  const empty = fields.find((field) => !field.value.trim());
  for (const field of fields) field.classList.toggle("is-invalid", !field.value.trim());
  if (empty) {
    wrong.textContent = "Enter both keys of the pair.";
    empty.focus();
    return;
  }
  button.disabled = true;
  try {
    const pair = Object.fromEntries(fields.map((field) => [field.name, field.value.trim()]));
    const { keys } = await ask("PUT", "/clearml-keys", pair);
    form.reset();
    show(keys);
  } catch (error) {
    wrong.textContent = error.message;
    fields[0].focus();
  } finally {
    button.disabled = false;
  }
});

ask("GET", "/clearml-keys").then(
  ({ keys }) => show(keys),
  (error) => (wrong.textContent = error.message),
);
