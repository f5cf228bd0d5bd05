// The board: every node and device, who holds it, and the line.
import { ask, confirm, el, expected, follow, holderText, hour, keep, settings, showTroubles, simulatedBadge, span, time } from "./live.js";

const SHOWN_FIRST = 25;
const GIB = 1024 ** 3;
const PILLS = {
  free: ["free", "gpus-green"],
  pending: ["set aside", "text-bg-info"],
  granted: ["starting", "text-bg-info"],
  active: ["in use", "text-bg-secondary"],
  releasing: ["ending", "text-bg-warning"],
  lost: ["out of sight", "text-bg-danger"],
  unusable: ["not available", "gpus-plain"],
};
const NODE_PILLS = {
  up: ["up", "gpus-green"],
  drained: ["drained", "text-bg-warning"],
  down: ["silent", "text-bg-danger"],
};
let state = settings.state;
let wholeLine = false;

function isGpu(shown) {
  return ["gpu", "mig"].includes(shown.device.kind);
}

function pill([text, look], title) {
  return el("span", { class: `badge ${look}`, title }, text);
}

function mayEnd(one) {
  return settings.admin || one.user === settings.me;
}

function summary() {
  const all = state.nodes.flatMap((node) => node.devices).filter(isGpu);
  const free = all.filter((one) => one.free).length;
  const waiting = state.line.filter((one) => one.state === "waiting").length;
  const gpus = all.length ? `${free} of ${all.length} ${all.length === 1 ? "GPU is" : "GPUs are"} free.` : "No node has a GPU.";
  const line = waiting === 0 ? "Nobody waits." : waiting === 1 ? "One waits." : `${waiting} wait.`;
  document.getElementById("summary").textContent = `${gpus} ${line}`;
}

function nodeSection(node) {
  const section = el("section", { class: "card gpus-node", "aria-labelledby": `node-${node.name}` });
  section.head = el("div", { class: "card-header gpus-node-head" });
  section.grid = el("div", { class: "gpus-grid" });
  section.rest = el("div", { class: "gpus-slots" });
  section.append(section.head, el("div", { class: "card-body" }, section.grid, section.rest));
  return section;
}

function nodeHead(view) {
  const { node, free, total, simulated } = view;
  return el(
    "div",
    { class: "gpus-node-row" },
    el("h2", { class: "h5 mb-0 text-break", id: `node-${node.name}` }, node.name),
    pill(NODE_PILLS[node.state], node.seen_at ? `last heard ${hour(node.seen_at)}` : "never heard of"),
    simulated && simulatedBadge(),
    el("span", { class: "gpus-quiet" }, node.description),
    el("span", { class: "gpus-push" }, total ? `${free} of ${total} free` : "no GPU"),
    settings.admin && manage(node),
    node.trouble && el("p", { class: "gpus-trouble" }, node.trouble),
  );
}

function manage(node) {
  const drained = node.state === "drained" || node.drained;
  const button = (act, text, look, onclick) => el("button", { type: "button", class: `btn btn-sm ${look}`, "data-act": act, onclick }, text);
  return el(
    "span",
    { class: "gpus-manage" },
    drained
      ? button("undrain", "Undrain", "btn-outline-contrast", () => change(`/nodes/${node.name}/undrain`))
      : button("drain", "Drain", "btn-outline-contrast", () => askDrain(node)),
    button("fence", "Fence…", "btn-outline-danger", () => askFence(node)),
  );
}

function askDrain(node) {
  confirm({
    title: `Drain ${node.name}?`,
    text: [`${node.name} takes no new labs and jobs until you undrain it. What runs there goes on.`],
    button: `Drain ${node.name}`,
    act: () => change(`/nodes/${node.name}/drain`),
  });
}

function askFence(node) {
  const held = state.leases.filter((lease) => lease.node === node.name);
  const names = held.slice(0, 8).map((lease) => el("li", { class: "text-break" }, `${lease.user}: ${holderText(lease)}`));
  if (held.length > 8) names.push(el("li", {}, `and ${held.length - 8} more`));
  confirm({
    title: `Fence ${node.name}?`,
    text: [
      "You declare that nothing runs on this node any more. Do it only when the machine is off, or you looked yourself.",
      el(
        "div",
        {},
        held.length ? `${held.length === 1 ? "One lease ends" : `${held.length} leases end`} at once, and the devices are free for others:` : "Nothing holds a device there now.",
        el("ul", { class: "mb-2" }, names),
      ),
      "What still runs there would share its GPU with the next holder, to the harm of both. Nothing takes this back.",
    ],
    button: `Fence ${node.name}`,
    typed: node.name,
    act: () => change(`/nodes/${node.name}/fence`, { confirm: node.name }),
  });
}

async function change(path, body = {}) {
  await ask("POST", path, body);
  await refresh();
}

function askEnd(lease) {
  const what = holderText(lease);
  const mine = lease.user === settings.me;
  const isLab = lease.holder.startsWith("lab:");
  confirm({
    title: `End ${mine ? "your" : `${lease.user}'s`} ${what}?`,
    text: [
      lease.state === "pending"
        ? "What is set aside goes to the next in line."
        : isLab
          ? "The lab stops as with “Stop my lab”: files stay, what only is in memory is lost."
          : "The job is aborted. What it has reported stays.",
      lease.state === "lost" && "Its node is out of sight: the devices are free once it is seen that nothing runs there.",
    ].filter(Boolean),
    button: isLab ? "End the lab" : "End the job",
    act: () => change(`/leases/${lease.id}/end`, { reason: "" }),
  });
}

function deviceCard(view) {
  const { shown, lease } = view;
  const { device } = shown;
  const slice = device.mig_profile ? ` · slice ${device.mig_profile}` : "";
  const pilled = lease ? PILLS[lease.state] : shown.free ? PILLS.free : PILLS.unusable;
  return el(
    "article",
    { class: `gpus-device ${shown.free ? "is-free" : ""}`, title: device.id },
    el("div", { class: "gpus-device-top" }, el("strong", {}, `GPU ${device.index}${slice}`), pill(pilled, lease?.reason || shown.trouble)),
    el("div", { class: "gpus-quiet text-break" }, `${device.model || "unknown model"} · ${Math.round(device.memory_bytes / GIB)} GiB`),
    lease ? holder(lease) : el("div", { class: "gpus-holder gpus-quiet" }, shown.trouble || (shown.free ? "Nobody holds it." : "It takes no leases now.")),
    usage(shown),
  );
}

function holder(lease) {
  return el(
    "div",
    { class: "gpus-holder" },
    el("div", { class: "gpus-who" }, el("span", { class: "gpus-name", title: lease.user }, lease.user), el("span", { class: "gpus-what", title: holderText(lease) }, holderText(lease))),
    lease.holder.startsWith("lab:") && lease.note && el("div", { class: "gpus-quiet gpus-note", title: lease.note }, lease.note),
    el("div", { class: "gpus-quiet" }, times(lease)),
    lease.reason && el("div", { class: "gpus-trouble" }, lease.reason),
    mayEnd(lease) && el("button", { type: "button", class: "btn btn-sm btn-outline-contrast gpus-end", "data-act": "end", "aria-label": `End ${lease.user}'s ${holderText(lease)}`, onclick: () => askEnd(lease) }, "End…"),
  );
}

function times(lease) {
  if (lease.state === "pending") return ["kept until ", time(lease.take_by || lease.since)];
  const parts = ["since ", time(lease.since)];
  if (lease.until) parts.push(" · until ", time(lease.until));
  else parts.push(" · no time limit");
  return parts;
}

function usage(shown) {
  const percent = shown.gpu_percent;
  if (percent === null && shown.memory_used_bytes === null) return el("div", { class: "gpus-usage gpus-quiet" }, "not measured");
  // The driver does not tell how busy a slice is: unknown is not idle.
  const used = percent === null ? null : Math.round(percent);
  const memory = shown.memory_used_bytes === null ? "" : `${(shown.memory_used_bytes / GIB).toFixed(1)} GiB`;
  return el(
    "div",
    { class: "gpus-usage" },
    used !== null &&
      el(
        "div",
        { class: "progress", role: "progressbar", "aria-label": "Utilisation", "aria-valuenow": used, "aria-valuemin": 0, "aria-valuemax": 100 },
        Object.assign(el("div", { class: "progress-bar" }), { style: `width: ${used}%` }),
      ),
    el("span", { class: "gpus-quiet", title: used === null ? "The driver does not tell how busy it is." : "" }, [used === null ? "\u2013 %" : `${used} %`, memory].filter(Boolean).join(" · ")),
  );
}

function slotsLine(view) {
  const { title, used, total, leases } = view;
  return el(
    "details",
    {},
    el("summary", {}, `${title}: ${used} of ${total} in use`),
    el(
      "ul",
      { class: "list-unstyled gpus-slot-list" },
      leases.map((lease) =>
        el(
          "li",
          {},
          pill(PILLS[lease.state], lease.reason),
          el("span", { class: "gpus-name" }, lease.user),
          el("span", { class: "gpus-what", title: holderText(lease) }, holderText(lease)),
          el("span", { class: "gpus-quiet" }, times(lease)),
          mayEnd(lease) && el("button", { type: "button", class: "btn btn-sm btn-outline-contrast", "data-act": `end-${lease.id}`, onclick: () => askEnd(lease) }, "End…"),
        ),
      ),
      leases.length === 0 && el("li", { class: "gpus-quiet" }, "Nothing runs in them."),
    ),
  );
}

function drawNodes() {
  const byId = new Map(state.leases.map((lease) => [lease.id, lease]));
  const parent = document.getElementById("nodes");
  if (state.nodes.length === 0) {
    parent.kept = undefined;
    parent.replaceChildren(el("p", { class: "gpus-empty" }, "The site has no nodes yet."));
    return;
  }
  keep(parent, state.nodes.map((node) => node.name), (name) => name, (name) => nodeSection({ name }));
  for (const node of state.nodes) {
    const section = parent.kept.get(node.name).made;
    const gpus = node.devices.filter(isGpu);
    const head = { ...node, devices: undefined, seen_at: undefined };
    const simulated = node.devices.some((one) => one.device.simulated);
    keep(section.head, [{ node: head, free: gpus.filter((one) => one.free).length, total: gpus.length, simulated }], () => "head", nodeHead);
    const views = gpus.map((shown) => ({ shown, lease: byId.get(shown.lease) || null }));
    keep(section.grid, views, (view) => view.shown.device.id, deviceCard);
    section.grid.hidden = gpus.length === 0;
    const slots = [
      ["cpu", "Job slots"],
      ["service", "Slots for controllers"],
    ].flatMap(([kind, title]) => {
      const some = node.devices.filter((one) => one.device.kind === kind);
      const leases = some.map((one) => byId.get(one.lease)).filter(Boolean);
      return some.length ? [{ kind, title, used: some.filter((one) => one.lease).length, total: some.length, leases }] : [];
    });
    keepOpen(section.rest, slots);
    section.lastElementChild.hidden = gpus.length + slots.length === 0;
  }
}

/** A list that somebody opened stays open when it changes. */
function keepOpen(parent, slots) {
  const open = new Set([...parent.children].flatMap((one, at) => (one.open ? [at] : [])));
  keep(parent, slots, (view) => view.kind, slotsLine);
  [...parent.children].forEach((one, at) => (one.open = open.has(at)));
}

function lineRow(view) {
  const { ticket, number } = view;
  const mine = ticket.user === settings.me;
  const isLab = ticket.holder.startsWith("lab:");
  const granted = ticket.state === "granted";
  return el(
    "tr",
    { class: mine ? "table-active" : "" },
    el("td", { class: "gpus-number" }, granted ? pill(["next", "gpus-green"], "Devices are set aside.") : String(number)),
    el("td", {}, el("div", { class: "gpus-name", title: ticket.user }, ticket.user), el("div", { class: "gpus-quiet gpus-what", title: holderText(ticket) }, holderText(ticket))),
    el("td", {}, ticket.wants),
    el("td", {}, ticket.queue || "lab"),
    el("td", { title: hour(ticket.created_at) }, span(Date.now() - new Date(ticket.created_at))),
    el("td", {}, granted ? "now" : expected(ticket)),
    el(
      "td",
      { class: "text-end" },
      isLab && mine && el("a", { class: "btn btn-sm btn-outline-contrast", href: `${settings.path}wait/${ticket.id}` }, "My place"),
      isLab && !mine && settings.admin && el("button", { type: "button", class: "btn btn-sm btn-outline-contrast", "data-act": "give-up", onclick: () => askGiveUp(ticket) }, "Remove…"),
    ),
  );
}

function askGiveUp(ticket) {
  confirm({
    title: `Take ${ticket.user} out of the line?`,
    text: [`${ticket.user} waits for ${ticket.wants} and would have to begin at the end.`],
    button: "Take out of the line",
    act: async () => {
      await ask("DELETE", `/tickets/${ticket.id}`);
      await refresh();
    },
  });
}

function drawLine() {
  const parent = document.getElementById("line");
  if (state.line.length === 0) {
    parent.replaceChildren(el("p", { class: "gpus-empty" }, "Nobody waits."));
    return;
  }
  if (!parent.querySelector("table")) {
    const heads = ["Place", "Who", "Waits for", "From", "Waits", "Expected", ""];
    parent.replaceChildren(
      el("div", { class: "table-responsive" }, el("table", { class: "table align-middle" }, el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col" }, text)))), el("tbody"))),
      el("div", { class: "gpus-more" }),
    );
  }
  let number = 0;
  const rows = state.line.map((ticket) => ({ ticket: { ...ticket, ahead: undefined }, number: ticket.state === "waiting" ? ++number : 0 }));
  const shown = wholeLine ? rows : rows.filter((row, at) => at < SHOWN_FIRST || row.ticket.user === settings.me);
  // "Waits" grows by itself: rows are made anew each minute.
  const minute = Math.floor(Date.now() / 60000);
  keep(parent.querySelector("tbody"), shown.map((row) => ({ ...row, minute })), (row) => row.ticket.id, lineRow);
  const hidden = rows.length - shown.length;
  parent.querySelector(".gpus-more").replaceChildren(
    ...(hidden > 0 ? [el("button", { type: "button", class: "btn btn-sm btn-outline-contrast", onclick: () => ((wholeLine = true), drawLine()) }, `Show ${hidden} more`)] : []),
  );
}

function draw() {
  summary();
  showTroubles(state.troubles);
  drawNodes();
  drawLine();
}

async function refresh() {
  state = await ask("GET", "/state");
  draw();
}

draw();
follow(refresh);
