// One scenario: its failure first, then its timeline, downloads, expectations, and every line.

const ROWS_AT_ONCE = 300;

function scenarioPage(key) {
  const view = viewOf(key), summary = view.summary;
  const wanted = { nodes: new Set(view.lanes.map((lane) => lane.label)), names: null, text: "" };
  const accepts = (line) => wanted.nodes.has(line.lane.label) && (!wanted.names || wanted.names.has(line.name)) &&
    (!wanted.text || `${nameOf(line)} ${line.text}`.toLowerCase().includes(wanted.text));
  const picture = timeline(view, { focus: summary.failure, accepts, nodes: (label) => wanted.nodes.has(label) });
  const table = lineTable(view, accepts);
  const changed = () => { picture.draw(); table.draw(); };
  return [
    h("div", { class: "title" }, h("h1", {}, `${title(summary)} ${summary.name}`), badge(summary.outcome), h("span", { class: "quiet" }, seconds(summary.duration_s, 1))),
    h("p", {}, summary.proves && h("span", {}, h("b", {}, "Proves: "), marked(summary.proves))),
    (summary.evidence || summary.reason) && h("p", {}, h("b", {}, summary.reason ? "Reason: " : "Evidence: "), summary.evidence || summary.reason),
    summary.failure && failureCard(summary.failure, view),
    !summary.failure && h("p", {}, command(summary.again)),
    view.notes.map((note) => h("p", { class: "note" }, note)),
    h("section", { "aria-labelledby": "timeline" }, h("h2", { id: "timeline" }, "Timeline"),
      view.lanes.length ? [filters(view, wanted, changed), picture.element] : h("p", { class: "quiet" }, "No node was started.")),
    h("section", { "aria-labelledby": "downloads" }, h("h2", { id: "downloads" }, "Where each byte came from"),
      view.transfers.length ? view.transfers.map((transfer) => transferFigure(view, transfer)) : h("p", { class: "quiet" }, "Nothing was downloaded in this scenario.")),
    h("section", { "aria-labelledby": "expectations" }, h("h2", { id: "expectations" }, "Expectations"), expectationTable(view)),
    h("section", { "aria-labelledby": "lines" }, h("h2", { id: "lines" }, "Lines of all nodes"),
      h("p", { class: "quiet" }, `${TIMES}; `, h("code", {}, "ts"), " in a line is its node's own clock. The text leaves out what is the same in all lines; a click shows all."), table.element),
  ];
}

function failureCard(failure, view) {
  const lane = failure.lane && lineAt(view, failure.lane, failure.line);
  const waited = failure.at - failure.since;
  const row = (term, ...content) => content.some(Boolean) && h("div", {}, h("dt", {}, term), h("dd", {}, ...content));
  return h("div", { class: "failure" },
    h("p", { class: "kicker" }, { wait: "A wait failed", check: "An expectation failed", always: "A rule that always holds was broken", error: "The scenario broke off" }[failure.kind]),
    h("p", { class: "expectation" }, failure.expectation),
    h("dl", {},
      row("Why", failure.cause),
      h("div", { class: "three" },
        row("On node", failure.node),
        row("When", waited > 0.0005 ? `since ${seconds(failure.since)}, until ${seconds(failure.at)} (${brief(waited)})` : `at ${seconds(failure.at)}`),
        row("In the source", failure.where)),
      row("Wanted", failure.wanted && block(view, failure.wanted)),
      row(failure.wanted ? "Came instead" : "Found", failure.got && block(view, failure.got, "got")),
      row("Near misses", failure.near.length > 0 && h("ul", {}, failure.near.map((text) => h("li", {}, h("code", {}, short(text, 600)))))),
      row("Under way", unfinished(view, failure)),
      row("Faults placed", view.faults.length ? h("ul", {}, view.faults.map((fault) => h("li", {}, faultText(fault), " ",
        fault.trigger_line > 0 && lineAt(view, fault.trigger_node, fault.trigger_line) && h("button", { type: "button", class: "small", onclick: () => openLine(view, lineAt(view, fault.trigger_node, fault.trigger_line)) }, "set off by this line")))) : "none"),
      row("Also found", failure.also.length > 0 && h("ul", {}, failure.also.map((text) => h("li", {}, block(view, text))))),
      row("Look first at", lane && lineButton(view, lane)),
      row("Scenario code", failure.source.length > 0 && h("pre", { class: "code", tabindex: "0", "aria-label": "The scenario's text up to the failure" }, failure.source.map(([text, here]) => h("span", { class: here ? "here" : "" }, text + "\n")))),
      row("After that", view.stopped !== null && "It ended here; what it would have checked after this was not looked at."),
      row("Run it again", command(view.summary.again))),
    h("details", {}, h("summary", {}, "All that the terminal said"), h("pre", { tabindex: "0" }, failure.text)));
}

// Downloads that were under way at that moment: how far they were, and since when nothing came.
function unfinished(view, failure) {
  const open = view.transfers.filter((one) => !one.told_at_end && one.begin <= failure.at && (one.end === null || one.end > failure.at));
  if (!open.length) return null;
  return h("ul", {}, open.map((one) => {
    const part = (done) => `${one.lane} has ${one.total_bytes ? `${bytes(done)} of ${bytes(one.total_bytes)}` : "nothing yet"} of ${one.item}`;
    const seen = one.samples.filter(([at]) => at <= failure.at), done = seen.length ? seen.at(-1)[1] : 0;
    const last = seen.find(([, count]) => count === done);
    const quiet = last ? failure.at - last[0] : 0;
    // Only of a wait is it the cause, perhaps.
    if (failure.kind !== "wait" && cutOff(view, one)) return h("li", { class: "quiet" }, `${part(done)}; ${CUT}`);
    return h("li", {}, part(done),
      quiet > 1 && h("b", {}, `; no byte since ${seconds(last[0])}, for ${brief(quiet)}`));
  }));
}

function faultText(fault) {
  return `${seconds(fault.at)} ${fault.what}${fault.error ? `, which failed: ${fault.error}` : ""}`;
}

function openLine(view, line) {
  if (line) { showLine(view, line, true); select(view, line); }
}

function filters(view, wanted, changed) {
  const counts = new Map();
  for (const line of view.lines) counts.set(line.name, (counts.get(line.name) || 0) + 1);
  const names = [...counts.keys()].sort();
  const chosen = () => names.filter((name, index) => boxes[index].checked);
  const boxes = names.map((name, index) => h("input", { type: "checkbox", checked: true, id: `name-${index}`, onchange: () => { wanted.names = new Set(chosen()); changed(); } }));
  const all = (on) => h("button", { type: "button", class: "small", onclick: () => { for (const box of boxes) box.checked = on; wanted.names = on ? null : new Set(); changed(); } }, on ? "All" : "None");
  return h("div", { class: "filters", role: "group", "aria-label": "Filters of timeline and lines" },
    view.lanes.map((lane) => h("label", {}, h("input", { type: "checkbox", checked: true, onchange: (event) => { wanted.nodes[event.target.checked ? "add" : "delete"](lane.label); changed(); } }),
      h("span", { class: `swatch ${sourceClass(view, lane.label)}` }), lane.label)),
    h("details", { class: "menu" }, h("summary", {}, "Events and commands"), h("div", { class: "panel" }, h("p", {}, all(true), " ", all(false)),
      names.map((name, index) => h("label", {}, boxes[index], `${name} (${counts.get(name)})`)))),
    h("label", {}, "Only lines with ", h("input", { type: "search", placeholder: "text", oninput: (event) => { wanted.text = event.target.value.toLowerCase(); changed(); } })));
}

function expectationTable(view) {
  if (!view.expectations.length) return h("p", { class: "quiet" }, "None was looked at.");
  // A failed check with the one that held right before it, and the line that each had read.
  const failed = view.expectations.flatMap((one, index, all) =>
    one.passed ? [] : one.kind !== "always" && index && all[index - 1].passed ? [all[index - 1], one] : [one]);
  const rows = (list, near) => list.map((one) => h("tr", { class: one.passed ? "" : "failed" },
    h("td", {}, one.passed ? "✓ held" : "✗ failed"), h("td", { class: "number" }, seconds(one.at)),
    h("td", {}, { wait: `waited ${brief(one.at - one.since)}`, always: "always", check: "check" }[one.kind] || one.kind),
    h("td", {}, one.node), h("td", {}, one.what, one.detail && !one.passed && block(view, one.detail),
      near && one.read && lineKept(view, one.read) && lineButton(view, lineKept(view, one.read)))));
  const table = (list, near) => h("div", { class: "wide" }, h("table", { class: "expectations" }, h("thead", {}, h("tr", {}, ["Result", "At", "Kind", "Node", "Expectation"].map(columnHead))), h("tbody", {}, rows(list, near))));
  return [failed.length > 0 && table(failed, true),
    h("details", {}, h("summary", {}, `All ${view.expectations.length}, in order`), table(view.expectations))];
}

function lineTable(view, accepts) {
  const body = h("tbody", {}), more = h("p", {});
  let limit = ROWS_AT_ONCE;
  let rows = new Map();
  function draw() {
    const lines = view.lines.filter(accepts);
    rows = new Map();
    body.replaceChildren(...lines.slice(0, limit).map((line) => {
      const row = h("tr", { class: isAfter(view, line.at) ? "after" : looks(line) === "bad" || line.kind === "refusal" ? "failed" : "" },
        h("td", { class: "number" }, seconds(line.at)), h("td", {}, h("span", { class: `swatch ${sourceClass(view, line.lane.label)}` }), line.lane.label),
        h("td", {}, h("button", { type: "button", class: "link", onclick: () => { showLine(view, line); select(view, line); } }, nameOf(line))),
        h("td", { class: "text" }, h("code", {}, short(gist(line), 240))));
      rows.set(line, row);
      return row;
    }));
    const left = lines.length - limit;
    more.replaceChildren(...(left > 0 ? [h("button", { type: "button", onclick: () => { limit += 3 * ROWS_AT_ONCE; draw(); } }, `Show more (${plural(left, "line")} left)`)] :
      [h("span", { class: "quiet" }, `${plural(lines.length, "line")} of ${view.lines.length}`)]));
  }
  watchers.add((from, line) => {
    for (const row of body.querySelectorAll(".selected")) row.classList.remove("selected");
    if (from === view && rows.has(line)) rows.get(line).classList.add("selected");
  });
  draw();
  return { draw, element: [h("div", { class: "wide" }, h("table", { class: "all" }, h("thead", {}, h("tr", {}, ["Time", "Node", "Line", "Text"].map(columnHead))), body)), more] };
}
