// The data, read from the page when it is needed.

const RUN = JSON.parse($("run").textContent);
const INDEX = new Map(RUN.scenarios.map((scenario, index) => [scenario.key, index]));
const FAILED = RUN.scenarios.filter((scenario) => scenario.outcome === "failed");
const LINE = { number: 0, at: 1, kind: 2, name: 3, text: 4, cut: 5 };
const PALETTE = 8; // of colours and patterns, in report.css and in `patterns`
const views = new Map();

function viewOf(key) {
  if (views.has(key)) return views.get(key);
  const view = JSON.parse($(`view-${INDEX.get(key)}`).textContent);
  view.summary = RUN.scenarios[INDEX.get(key)];
  view.lane = new Map(view.lanes.map((lane, index) => [lane.label, Object.assign(lane, { index })]));
  view.lines = [];
  for (const lane of view.lanes) {
    lane.byNumber = new Map();
    lane.looks = view.looks;
    lane.lines.forEach((values, place) => {
      const line = { lane, place };
      for (const [field, index] of Object.entries(LINE)) line[field] = values[index];
      lane.byNumber.set(line.number, line);
      lane.lines[place] = line;
      view.lines.push(line);
    });
  }
  view.lines.sort((a, b) => a.at - b.at);
  views.set(key, view);
  return view;
}

function lineAt(view, label, number) {
  const lane = view.lane.get(label);
  return lane && lane.byNumber.get(number);
}

// A line by where it is kept: `alpha.jsonl:12`.
function lineKept(view, place) {
  const [file, number] = place.split(":"), lane = view.lanes.find((one) => one.file.endsWith(`/${file}`));
  return lane && lane.byNumber.get(Number(number));
}

// What a line is to the eye; the same words are in the legend.
const BAD = /-(failed|gone|cancelled)$/;
function looks(line) {
  if (line.kind === "event") {
    const look = line.lane.looks[line.name] || (BAD.test(line.name) ? "bad" : line.name.endsWith("-finished") ? "good" : "event");
    return look === "bad" && line.text.includes('"goodbye"') ? "event" : look;
  }
  return line.kind;
}
// What ends badly behind the failure was cut off by the scenario's own ending.
const isAfter = (view, at) => view.stopped !== null && at > view.stopped;
const cutOff = (view, one) => view.stopped !== null && (one.end === null || isAfter(view, one.end)) && (!one.outcome || BAD.test(one.outcome));
const CUT = "cut off by the end of the scenario";
const LOOKS = {
  command: "command sent to the node", event: "event", bytes: "chunk verified", progress: "progress", good: "operation finished",
  bad: "failed, cancelled or gone", reply: "reply", refusal: "refused command",
  stderr: "stderr", other: "no protocol line",
};
const kindWord = (line) => ({ event: "event", command: "command", reply: "reply to", refusal: "refused",
  stderr: "", other: "" })[line.kind];
const nameOf = (line) => `${kindWord(line)} ${line.name}`.trim();

// A line without what is constant in it or stands beside it, so that what tells something is in sight.
function gist(line) {
  if (line.kind === "other" || line.kind === "stderr") return line.text;
  try {
    const { type, event, cmd, seq, ts, ...rest } = JSON.parse(line.text);
    const own = Object.keys(rest.data || {}).find((key) => line.lane.ids.includes(rest.data[key]));
    if (own) rest.data = { ...rest.data, [own]: undefined };
    return JSON.stringify(Object.keys(rest).join() === "data" ? rest.data : rest);
  } catch {
    return line.text; // no JSON, or cut off
  }
}

const sourceClass = (view, label) => {
  const lane = view.lane.get(label);
  return lane ? `source s${lane.index % PALETTE}` : "source unknown";
};
