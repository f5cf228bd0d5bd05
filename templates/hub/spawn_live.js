// What is free right now, from the board; the page works without it.
(function () {
  const form = document.querySelector(".waylab-profiles");
  if (!form || !("board" in form.dataset)) { return; }
  const base = ((window.jhdata && window.jhdata.prefix) || "/") + "services/gpus";
  const PAUSE = 3000;
  const note = form.querySelector(".waylab-board-note");
  const button = document.querySelector("#spawn_form button[type=submit]");
  const GIB = 1024 ** 3;
  let state = null;
  let signedIn = false;
  let trouble = "";

  const element = (tag, cls, text) => {
    const made = document.createElement(tag);
    made.className = cls;
    if (text) { made.textContent = text; made.title = text; }
    return made;
  };
  const setText = (node, text) => { if (node.textContent !== text) { node.textContent = text; } };

  function fits(shown, wanted) {
    const device = shown.device;
    return wanted.mig
      ? device.kind === "mig" && device.mig_profile === wanted.mig
      : device.kind === "gpu" && device.model.toLowerCase().includes(wanted.model)
        && device.memory_bytes >= wanted.memory;
  }
  function nodesFor(card) {
    const wanted = JSON.parse(card.querySelector(".waylab-free").dataset.wanted);
    const chosen = card.querySelector(".waylab-node");
    const names = chosen && chosen.value ? [chosen.value] : wanted.nodes;
    return state.nodes.filter((node) => names.includes(node.name)).map((node) => ({
      name: node.name,
      isUp: node.state === "up",
      state: node.state,
      devices: node.devices.filter((shown) => fits(shown, wanted)),
    }));
  }
  function count(card) {
    const chosen = card.querySelector(".waylab-count");
    return Number(chosen ? chosen.value : card.querySelector(".waylab-free").dataset.gpus);
  }
  const isFree = (node, shown) => node.isUp && shown.free;
  const canStart = (card) => count(card) === 0 || nodesFor(card).some(
    (node) => node.devices.filter((shown) => isFree(node, shown)).length >= count(card));

  function untilText(iso) {
    const end = new Date(iso);
    const today = end.toDateString() === new Date().toDateString();
    return end.toLocaleString("en-GB", today
      ? { hour: "2-digit", minute: "2-digit" }
      : { weekday: "short", hour: "2-digit", minute: "2-digit" });
  }
  function holderText(lease) {
    const kind = lease.holder.startsWith("job:") ? "job of " : "";
    const more = { lost: " (out of sight)", pending: " (set aside)", releasing: " (ending)" }[lease.state] || "";
    return kind + lease.user + more;
  }
  function stateText(node, shown) {
    if (node.state === "drained") { return "closed by an admin"; }
    if (!node.isUp) { return "its node does not answer"; }
    return shown.free ? "free" : shown.trouble || "set aside for the next in line";
  }
  function gpu(node, shown) {
    const device = shown.device;
    const lease = state.leases.find((one) => one.id === shown.lease);
    const row = element("li", "waylab-gpu");
    row.classList.toggle("is-free", isFree(node, shown));
    row.classList.toggle("is-away", !node.isUp);
    const slice = device.mig_profile ? " " + device.mig_profile : "";
    const size = (device.memory_bytes / GIB).toFixed(0) + " GiB";
    const known = shown.gpu_percent !== null && shown.gpu_percent !== undefined;
    const line = (left, right) => {
      const made = element("span", "waylab-gpu-line");
      made.append(element("span", "waylab-gpu-cut", left), " ", element("span", "waylab-gpu-end", right));
      return made;
    };
    row.append(
      line(node.name + " " + device.index + ": " + device.model + slice + ", " + size, known ? Math.round(shown.gpu_percent) + " %" : ""),
      line(lease ? holderText(lease) : stateText(node, shown), lease && lease.until ? "until " + untilText(lease.until) : ""),
    );
    if (known && shown.memory_used_bytes !== null) {
      row.title = (shown.memory_used_bytes / GIB).toFixed(1) + " of " + size + " used";
    }
    return row;
  }
  function drawCard(card) {
    const free = card.querySelector(".waylab-free");
    const list = card.querySelector(".waylab-gpus");
    if (!free) { return; }
    if (!state) { setText(free, ""); list.replaceChildren(); return; }
    const nodes = nodesFor(card);
    const all = nodes.flatMap((node) => node.devices.map((shown) => [node, shown]));
    const open = all.filter(([node, shown]) => isFree(node, shown)).length;
    setText(free, all.length === 0 ? "No such GPU is there now"
      : open + " of " + all.length + " free now");
    const rows = all.map(([node, shown]) => gpu(node, shown));
    if (list.innerHTML !== rows.map((row) => row.outerHTML).join("")) { list.replaceChildren(...rows); }
  }
  function drawButton() {
    const radio = form.querySelector(".btn-check:checked");
    const card = radio && radio.closest(".waylab-card");
    const waits = state && card && card.querySelector(".waylab-free") && !canStart(card);
    setText(button, waits ? "Wait in line" : "Start");
  }
  function drawNote() {
    note.replaceChildren();
    note.hidden = true;
    const mine = state && state.line.find((ticket) => ticket.holder === form.dataset.holder && ticket.state !== "closed");
    if (mine) {
      const link = element("a", "alert-link", "Show the line");
      link.href = base + "/wait/" + encodeURIComponent(mine.id);
      const place = mine.position ? " at place " + mine.position : "";
      note.append("This lab waits in line" + place + " for " + (mine.note || mine.wants) + ". ", link);
      note.className = "waylab-board-note alert alert-info";
      note.hidden = false;
    } else if (trouble) {
      note.append(trouble);
      note.className = "waylab-board-note alert alert-warning";
      note.hidden = false;
    }
  }
  function draw() {
    form.querySelectorAll(".waylab-card").forEach(drawCard);
    drawButton();
    drawNote();
  }
  // The board has a cookie of its own, which the hub's sign-in gives without a question.
  const signIn = () => fetch(base + "/sign-in?next=" + encodeURIComponent(base + "/health"), { credentials: "same-origin" });
  async function ask() {
    const answer = await fetch(base + "/api/v1/state", { credentials: "same-origin", headers: { Accept: "application/json" }, cache: "no-store" });
    if ((answer.status === 401 || answer.status === 403) && !signedIn) {
      signedIn = true;
      await signIn();
      return ask();
    }
    if (!answer.ok) { throw new Error("HTTP " + answer.status); }
    return answer.json();
  }
  async function refresh() {
    try {
      state = await ask();
      trouble = "";
    } catch (error) {
      console.warn("The board does not tell what is free:", error);
      state = null;
      trouble = "What is free is not known now: the board does not answer. Labs without a GPU start as usual.";
    }
    draw();
    window.setTimeout(refresh, document.hidden ? 4 * PAUSE : PAUSE);
  }
  form.addEventListener("change", draw);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && state) { draw(); } });
  refresh();
})();
