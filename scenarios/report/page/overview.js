// The run as a whole: verdict, failures, every scenario.

const ORDERS = {
  order: { word: "ID", compare: (a, b) => INDEX.get(a.key) - INDEX.get(b.key) },
  duration: { word: "slowest", compare: (a, b) => b.duration_s - a.duration_s },
  outcome: { word: "outcome", compare: (a, b) => rank(a) - rank(b) || INDEX.get(a.key) - INDEX.get(b.key) },
};
const rank = (one) => ["failed", "unsupported", "skipped", "passed"].indexOf(one.outcome);
const title = (one) => (one.key === one.id ? one.id : one.key.replace("/", " turn "));
const link = (key) => `#/${encodeURIComponent(key)}`;

function overviewPage() {
  return [
    h("h1", {}, verdict()),
    FAILED.length === 0 && facts(),
    FAILED.length > 0 && h("section", { "aria-labelledby": "failures" },
      h("h2", { id: "failures" }, FAILED.length === 1 ? "The failure" : `The ${FAILED.length} failures`),
      RUN.alike.map(group)),
    FAILED.length > 0 && [h("h2", {}, "The run"), facts()],
    RUN.unfinished.length > 0 && h("section", { "aria-labelledby": "unfinished" },
      h("h2", { id: "unfinished" }, "What the run was asked and did not do"),
      h("ul", { class: "lines" }, RUN.unfinished.map((one) => h("li", {}, one)))),
    h("section", { "aria-labelledby": "all" }, h("h2", { id: "all" }, "All scenarios"), scenarioTable()),
  ];
}

function verdict() {
  const count = (outcome) => RUN.scenarios.filter((one) => one.outcome === outcome).length;
  const total = RUN.scenarios.length;
  // Whatever passed: a run that did not do all it was asked is never green.
  if (RUN.verdict === "interrupted" || (RUN.verdict === "failed" && !FAILED.length)) return RUN.outcome[0].toUpperCase() + RUN.outcome.slice(1);
  if (!total) return "No scenario ran";
  if (count("failed")) return `${count("failed")} of ${plural(total, "scenario")} failed`;
  const rest = ["skipped", "unsupported"].filter(count).map((outcome) => `, ${count(outcome)} ${outcome}`).join("");
  return rest ? `${count("passed")} of ${plural(total, "scenario")} passed${rest}` : total === 1 ? "The scenario passed" : `All ${total} scenarios passed`;
}

function facts() {
  const versions = Object.entries(RUN.versions).map(([what, version]) => `${what} ${version}`).join(" · ");
  const entries = [["Run", RUN.run_id], ["Started", clock(RUN.started)], ["Took", seconds(RUN.duration_s, 1)],
    ["Backend", RUN.backend], ["Seed", String(RUN.seed)], ["Tested", RUN.tested], ["Slowest", slowest()], ["Versions", versions]];
  return h("dl", { class: "facts" }, entries.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));
}

// The first in full, the others as a line each: whoever knows one of them knows them all.
function group({ what, keys }) {
  const [first, ...others] = keys.map((key) => RUN.scenarios[INDEX.get(key)]);
  if (!others.length) return failureInOverview(first, "h3");
  const elsewhere = keys.length - keys.filter((key) => RUN.scenarios[INDEX.get(key)].failure.expectation === what).length;
  return h("section", { class: "alike", "aria-label": `${keys.length} failures alike` },
    h("h3", {}, `${keys.length} of ${FAILED.length}: ${what}`),
    elsewhere > 0 && h("p", { class: "quiet" }, `In ${elsewhere} of them something else failed before it.`),
    failureInOverview(first, "h4"),
    h("ul", { class: "lines" }, others.map((one) => h("li", {}, h("a", { href: link(one.key) }, `${title(one)} ${one.name}`),
      one.failure.expectation !== what && h("span", { class: "quiet" }, ` — first failed: ${short(one.failure.expectation, 160)}`)))));
}

function failureInOverview(summary, heading) {
  const view = viewOf(summary.key);
  return h("article", { class: "failed-scenario" },
    h(heading, {}, h("a", { href: link(summary.key) }, `${title(summary)} ${summary.name}`), " ", badge("failed")),
    h("p", { class: "quiet" }, "Proves: ", marked(summary.proves)),
    failureCard(summary.failure, view),
    timeline(view, { focus: summary.failure, compact: true }).element,
    h("p", {}, h("a", { class: "button", href: link(summary.key) }, `Open ${title(summary)}: downloads, expectations, all lines`)));
}

function scenarioTable() {
  const body = h("tbody", {});
  const longest = Math.max(...RUN.scenarios.map((one) => one.duration_s), 0.001);
  const draw = (order) => body.replaceChildren(...[...RUN.scenarios].sort(ORDERS[order].compare).map((one) =>
    h("tr", {},
      h("th", { scope: "row" }, h("a", { href: link(one.key) }, title(one))),
      h("td", {}, badge(one.outcome)),
      h("td", { class: "number" }, seconds(one.duration_s, 1),
        h("span", { class: "meter", "aria-hidden": "true" }, h("span", { style: { width: `${100 * one.duration_s / longest}%` } }))),
      h("td", { class: "number" }, String(one.nodes)),
      h("td", {}, h("b", {}, one.name), h("br"),
        h("span", { class: "quiet" }, one.outcome === "failed" ? one.failure.expectation : one.evidence || one.reason)))));
  const choice = h("select", { id: "order", onchange: () => draw(choice.value) },
    Object.entries(ORDERS).map(([key, order]) => h("option", { value: key }, order.word)));
  draw("order");
  return [
    h("p", {}, h("label", { for: "order" }, "Order by "), choice),
    h("table", { class: "scenarios" },
      h("thead", {}, h("tr", {}, ["ID", "Outcome", "Took", "Nodes", "Name, and what was seen"].map((word) => h("th", { scope: "col" }, word)))),
      body),
  ];
}

function slowest() {
  const rows = [...RUN.scenarios].sort(ORDERS.duration.compare).slice(0, 4);
  return rows.map((one, index) => [index > 0 && " · ", h("a", { href: link(one.key) }, title(one)), ` ${seconds(one.duration_s, 1)}`]);
}
