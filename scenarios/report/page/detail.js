// The dock: one line as JSON, what the other side said then, and what the scenario was waiting for.

let docked = null;

function showLine(view, line, focus = false) {
  docked = { view, line };
  const dock = $("dock");
  const step = (by) => {
    const next = line.lane.lines[line.place + by];
    return h("button", { type: "button", disabled: !next, onclick: () => { showLine(view, next, true); select(view, next); } },
      by < 0 ? "← Earlier" : "Later →");
  };
  dock.replaceChildren(
    h("div", { class: "bar" },
      h("h2", { tabindex: "-1" },
        h("span", { class: `swatch ${sourceClass(view, line.lane.label)}` }), `${line.lane.label}: ${nameOf(line)}`),
      h("span", { class: "quiet" }, `${seconds(line.at)} · line ${line.number} of ${line.lane.file}`),
      h("span", { class: "grow" }),
      step(-1), step(1), copyButton(line.text, "the line"),
      h("button", { type: "button", "aria-label": "Close the selected line", onclick: closeDock }, "Close")),
    h("div", { class: "sides" },
      h("section", { "aria-label": "The line as JSON" },
        h("pre", { class: "json", tabindex: "0" }, pretty(line)),
        line.cut > 0 && h("p", { class: "note" }, `${plural(line.cut, "more character")} in ${line.lane.file}, line ${line.number}.`)),
      h("section", { "aria-label": "The other side" }, ...otherSides(view, line), ...meanwhile(view, line))));
  dock.hidden = false;
  document.body.classList.add("docked");
  if (focus) dock.querySelector("h2").focus({ preventScroll: true });
}

function closeDock() {
  docked = null;
  $("dock").hidden = true;
  document.body.classList.remove("docked");
  select(null, null);
}

function pretty(line) {
  try {
    const value = JSON.parse(line.text);
    return typeof value === "object" && value !== null ? JSON.stringify(value, null, 2) : line.text;
  } catch {
    return line.text;
  }
}

function otherSides(view, line) {
  const named = lanesNamedIn(view, line);
  const others = named.length ? named : view.lanes.filter((lane) => lane !== line.lane);
  const found = others.slice(0, 6).map((lane) => counterpart(lane, line)).filter(Boolean);
  return [
    h("h3", {}, named.length ? "The other side, about then" : "The other nodes, about then"),
    found.length ? h("ul", { class: "lines" }, found.map((other) => h("li", {}, lineButton(view, other, line)))) :
      h("p", { class: "quiet" }, "Nobody else said anything."),
  ];
}

function lineButton(view, line, from) {
  const apart = from ? line.at - from.at : 0;
  return h("button", { type: "button", class: "line", onclick: () => { showLine(view, line, true); select(view, line); } },
    h("span", { class: `swatch ${sourceClass(view, line.lane.label)}` }), h("b", {}, line.lane.label), " ",
    h("span", { class: "time" }, from ? `${apart < 0 ? "−" : "+"}${seconds(Math.abs(apart))}` : seconds(line.at)), " ",
    h("span", {}, nameOf(line)), " ", h("code", {}, short(gist(line), 320)));
}

// Nodes that a line speaks of, by id or by the address they are reached at.
function lanesNamedIn(view, line) {
  const found = new Set();
  for (const lane of view.lanes) {
    if (lane === line.lane) continue;
    const alive = lane.started <= line.at && (lane.ended === null || lane.ended >= line.at - 2);
    const address = lane.address && `"${lane.address}:`;
    if (alive && (lane.ids.some((id) => id && line.text.includes(id)) || (address && line.text.includes(address)))) found.add(lane);
  }
  return found.size < 4 ? [...found] : [];
}

function counterpart(lane, line) {
  const ids = line.lane.ids;
  let best = null;
  let last = null;
  for (const other of lane.lines) {
    if (other.at <= line.at) last = other;
    const near = Math.abs(other.at - line.at);
    if (near < 0.5 && ids.some((id) => id && other.text.includes(id)) && (!best || near < Math.abs(best.at - line.at))) best = other;
  }
  return best || last;
}

function meanwhile(view, line) {
  const waits = view.expectations.filter((one) => one.kind === "wait" && one.since <= line.at && line.at <= one.at);
  const step = view.steps.filter(([at]) => at <= line.at).at(-1);
  if (!waits.length && !step) return [];
  return [
    h("h3", {}, "The scenario, then"),
    h("ul", {}, step && h("li", {}, `step: ${step[1]}`),
      waits.slice(0, 4).map((one) => h("li", {}, `${one.passed ? "waited" : "✗ waited in vain"} for: ${one.what}`))),
  ];
}

// Who shows lines says so here, to mark the selected one.
const watchers = new Set();
function select(view, line) {
  for (const watcher of watchers) watcher(view, line);
}
