// One lane per node over time: lines as marks, operations as bars, faults, waits, who talked to whom.

const AXIS = 26, STORY = 88, BAR = 17, MARKS = 62, NEAR = 7, LABELS = 150;

const SHAPES = {
  event: (x, y) => `M${x - 3.5},${y}a3.5,3.5 0 1 0 7,0a3.5,3.5 0 1 0 -7,0z`,
  bytes: (x, y) => `M${x - 3.5},${y - 3.5}h7v7h-7z`,
  progress: (x, y) => `M${x},${y - 4}v8`,
  good: (x, y) => `M${x - 5},${y}l3.5,4l6.5,-8`,
  bad: (x, y) => `M${x},${y - 6}l6,6l-6,6l-6,-6z`,
  reply: (x, y) => `M${x - 3},${y}a3,3 0 1 0 6,0a3,3 0 1 0 -6,0z`,
  refusal: (x, y) => `M${x - 4},${y - 4}l8,8M${x + 4},${y - 4}l-8,8`,
  command: (x, y) => `M${x - 3},${y - 5}l8,5l-8,5z`,
  stderr: (x, y) => `M${x},${y - 5}l5,9h-10z`,
  other: (x, y) => `M${x},${y - 5}l5,9h-10z`,
};
const WEIGHT = ["progress", "reply", "event", "bytes", "command", "good", "stderr", "refusal", "other", "bad"];

function timeline(view, options = {}) {
  const state = { zoom: 1, marks: [], labels: [], active: null, accepts: options.accepts || (() => true), nodes: options.nodes || (() => true) };
  const scroller = h("div", { class: "scroller" });
  const labels = h("div", { class: "labels", "aria-hidden": "true" });
  const element = h("div", { class: "timeline" },
    h("div", { class: "tools" },
      h("button", { type: "button", onclick: () => zoom(state.zoom / 2), "aria-label": "Zoom out" }, "−"),
      h("button", { type: "button", onclick: () => zoom(state.zoom * 2), "aria-label": "Zoom in" }, "+"),
      h("button", { type: "button", onclick: () => zoom(1) }, "Fit"),
      options.focus && h("button", { type: "button", onclick: toMoment }, "Show the failure"),
      legend(view)),
    // What is below it must not move when it is drawn.
    h("div", { class: "frame", style: { "min-height": `${layout(view.lanes).height}px` } }, labels, scroller));
  const begin = view.begin, span = Math.max(view.end - view.begin, 0.05);
  let width = 900;
  const x = (at) => 14 + ((at - begin) / span) * (width - 44);
  const when = (place) => begin + ((place - 14) / (width - 44)) * span;

  function layout(lanes) {
    const rows = new Map();
    let height = AXIS + STORY;
    for (const lane of lanes) {
      const stacked = stack(view.bars.filter((bar) => bar.lane === lane.label));
      const room = Math.max(...stacked.map((one) => one.row + 1), 0) * BAR;
      rows.set(lane.label, { top: height, bars: stacked, marks: height + room + 18, height: room + MARKS });
      height += room + MARKS;
    }
    return { rows, height };
  }

  function draw() {
    const lanes = view.lanes.filter((lane) => state.nodes(lane.label));
    width = Math.max(320, scroller.clientWidth || 900) * state.zoom;
    const { rows, height } = layout(lanes);
    element.querySelector(".frame").style.setProperty("min-height", `${height}px`);
    state.marks = [];
    state.labels = [];
    const picture = svg("svg", {
      width, height, role: "listbox", tabindex: "0", class: "picture", onkeydown: keys,
      "aria-label": `Timeline of ${plural(lanes.length, "node")} over ${brief(span)}. Arrow keys move between lines, Enter shows one as JSON. The table of lines below has the same.`,
    }, patterns());
    const layer = {};
    for (const name of ["back", "waits", "bytes", "bars", "faults", "aftermath", "marks", "notes"]) picture.append(layer[name] = svg("g", { class: name }));
    axis(layer.back, height);
    story(layer, lanes);
    for (const lane of lanes) { life(layer, lane, rows.get(lane.label)); marks(layer.marks, lane, rows.get(lane.label)); }
    talks(layer.bytes, rows);
    for (const fault of view.faults) placedFault(layer, fault, rows, height);
    if (view.stopped !== null) layer.aftermath.append(svg("rect", { class: "veil", x: x(view.stopped) + 1, y: AXIS, width: Math.max(0, width - x(view.stopped) - 1), height: height - AXIS }));
    if (options.focus) failing(layer, options.focus, rows, height);
    labels.replaceChildren(h("div", { class: "label", style: { height: `${AXIS + STORY}px`, "padding-top": `${AXIS}px` } }, h("b", {}, "scenario"), h("span", { class: "quiet" }, "waits, checks, faults")),
      ...lanes.map((lane) => h("div", { class: "label", style: { height: `${rows.get(lane.label).height}px` } },
        h("b", {}, h("span", { class: `swatch ${sourceClass(view, lane.label)}` }), lane.label),
        h("span", { class: "quiet" }, lane.address), lane.ending && h("span", { class: lane.unexpected ? "alarm" : "quiet" }, (lane.unexpected ? "✗ " : "") + lane.ending))));
    scroller.replaceChildren(picture);
    labelBars();
  }

  function axis(layer, height) {
    const step = niceStep(span / (width / 110));
    for (let at = Math.ceil(begin / step) * step; at <= view.end + 1e-9; at += step) {
      layer.append(svg("line", { class: "grid", x1: x(at), x2: x(at), y1: AXIS - 6, y2: height }),
        svg("text", { class: "tick", x: x(at) + 3, y: AXIS - 10 }, seconds(at, step < 0.01 ? 3 : step < 0.1 ? 2 : step < 1 ? 1 : 0)));
    }
  }

  // The scenario's own lane: what it waited for, what it looked at, what it said it does.
  function story(layer, lanes) {
    const top = AXIS;
    layer.back.append(svg("rect", { class: "lane story", x: 0, y: top, width, height: STORY }));
    let free = 0;
    for (const [at, text] of view.steps) {
      const place = x(at), room = place >= free;
      if (room) free = place + 6 * Math.min(text.length, 60) + 12;
      layer.notes.append(hover(svg("g", { class: "step" }, svg("line", { x1: place, x2: place, y1: top + 17, y2: top + 30 }),
        room && svg("text", { x: place + 3, y: top + 27 }, short(text, 60))), () => [`step: ${text}`]));
    }
    for (const one of view.expectations) {
      if (one.kind === "wait" && one.at - one.since > span / 400) {
        layer.waits.append(hover(svg("rect", { class: one.passed ? "wait" : "wait failed", x: x(one.since), y: top + 35, height: 9, width: Math.max(2, x(one.at) - x(one.since)) }),
          () => [h("b", {}, one.what), h("br"), `waited ${brief(one.at - one.since)}: ${one.passed ? "it came" : "in vain"}`]));
      } else if (one.kind !== "wait" || !one.passed) {
        const sign = svg("path", { class: one.passed ? "check" : "check failed", d: one.passed ? `M${x(one.at)},${top + 51}v14` : SHAPES.bad(x(one.at), top + 58) });
        if (one.passed && isAfter(view, one.at)) sign.classList.add("after");
        layer.marks.append(hover(sign, () => [h("b", {}, `${one.passed ? "✓" : "✗"} ${one.what}`), h("br"), short(one.detail, 300)]));
      }
    }
  }

  function life(layer, lane, row) {
    const end = lane.ended === null ? view.end : lane.ended;
    layer.back.append(svg("rect", { class: lane.index % 2 ? "lane odd" : "lane", x: 0, y: row.top, width, height: row.height }),
      svg("line", { class: "life", x1: x(lane.started), x2: x(end), y1: row.marks + 9, y2: row.marks + 9 }));
    if (lane.ended !== null) {
      layer.notes.append(hover(svg("text", { class: lane.unexpected ? "end alarm" : "end", x: x(end) + 2, y: row.marks + 13 }, lane.unexpected ? "✗" : "■"), () => [`${lane.label} ${lane.ending}`]));
    }
    for (const { bar, row: place } of row.bars) {
      const left = x(bar.begin), right = Math.max(left + 3, x(bar.end === null ? view.end : bar.end));
      const cut = cutOff(view, bar), bad = !cut && (BAD.test(bar.outcome) || bar.end === null), y = row.top + 3 + place * BAR;
      const word = `${bar.operation} ${bar.item}${cut ? ` · ${CUT}` : bar.outcome ? ` → ${bar.outcome}` : bar.end === null ? " → never ended" : ""}`;
      const looks = cut ? " cut" : bad ? " bad" : "", label = svg("text", { class: `operation${looks}`, y: y + 11 });
      layer.notes.append(label);
      const next = row.bars.filter((one) => one.row === place && one.bar.begin > bar.begin).map((one) => x(one.bar.begin));
      state.labels.push({ label, left, right, word, free: Math.min(width, ...next) });
      layer.bars.append(hover(svg("g", { class: `bar${looks}`, onclick: () => pick(lineAt(view, bar.lane, bar.line)) },
        svg("rect", { class: "hit", x: left - 4, y: y - 1, width: right - left + 8, height: BAR }),
        svg("rect", { x: left, y, width: right - left, height: BAR - 3, rx: 2 })),
      () => [h("b", {}, word), h("br"), `${seconds(bar.begin)} to ${bar.end === null ? "the end" : seconds(bar.end)}`]));
    }
  }

  // A bar says what it is where it is in sight; a narrow one beside itself.
  function labelBars() {
    for (const { label, left, right, word, free } of state.labels) {
      const narrow = right - left < 100 && free - right > right - left, edge = scroller.scrollLeft + scroller.clientWidth;
      const from = narrow ? right : Math.max(left, scroller.scrollLeft), room = Math.min(narrow ? free : right, edge) - from;
      label.setAttribute("x", from + 4);
      label.textContent = room > 40 ? visible(short(word, Math.floor((room - 8) / 6.6))) : "";
    }
  }

  function marks(layer, lane, row) {
    const groups = [];
    const open = new Map();
    for (const line of lane.lines) {
      if (!state.accepts(line)) continue;
      const row = line.kind === "command" ? "in" : "out", after = isAfter(view, line.at), place = x(line.at), before = open.get(row);
      if (before && before.after === after && place - before.x < NEAR && before.lines.length < 999) before.lines.push(line);
      else { const group = { lane, row, after, x: place, lines: [line] }; groups.push(group); open.set(row, group); }
    }
    for (const group of groups) {
      const kind = group.lines.map(looks).sort((a, b) => WEIGHT.indexOf(b) - WEIGHT.indexOf(a))[0];
      const y = row.marks + (group.row === "in" ? 0 : 18), many = group.lines.length;
      const label = many > 1 ? `${many} lines of ${lane.label} from ${seconds(group.lines[0].at)}: ${counted(group.lines)}` : `${lane.label}, ${seconds(group.lines[0].at)}: ${nameOf(group.lines[0])}`;
      group.element = svg("g", { class: `mark ${kind}${group.after ? " after" : ""}`, role: "option", "aria-selected": "false", "aria-label": label, id: `mark-${uniqueNumber()}`, onclick: () => pick(group.lines[0], group) },
        svg("rect", { class: "hit", x: group.x - 6, y: y - 9, width: 12, height: 18 }), svg("path", { d: SHAPES[kind](group.x, y) }),
        many > 1 && svg("text", { class: "count", x: group.x, y: y + (group.row === "in" ? -7 : 14) }, String(many)));
      hover(group.element, () => [h("b", {}, label), many > 1 ? h("br") : h("code", {}, short(gist(group.lines[0]), 260))]);
      layer.append(group.element);
      state.marks.push(group);
    }
  }

  function talks(layer, rows) {
    const edge = (from, to) => { // from the bottom of the upper lane to the top of the lower one
      const down = from.top < to.top;
      return [from.marks + 9, down ? to.marks + 3 : to.marks + 15];
    };
    for (const meeting of view.connections) {
      const from = rows.get(meeting.source), to = rows.get(meeting.target);
      if (!from || !to) continue;
      const place = x(meeting.at), [y1, y2] = edge(from, to);
      layer.append(hover(svg("g", { class: "meeting", onclick: () => pick(lineAt(view, meeting.lane, meeting.line)) }, svg("path", { d: `M${place},${y1}V${y2}` }), svg("path", { class: "tip", d: arrow(place, y2, y1 < y2) })),
        () => [h("b", {}, `${meeting.source} ${meeting.asked ? "connected to" : "and"} ${meeting.target}${meeting.asked ? "" : " know each other"}`), h("br"), seconds(meeting.at)]));
    }
    const sums = new Map();
    for (const transfer of view.transfers) for (const file of transfer.files) for (const piece of file.pieces) {
      // Its chunk may be whole only long after the source that delivered a part of it is gone.
      const from = view.lane.get(piece.source), at = from && from.ended !== null ? Math.min(piece.at, from.ended) : piece.at;
      const place = Math.round(x(at) / 8), name = `${piece.source}\n${transfer.lane}\n${place}`;
      const sum = sums.get(name) || { source: piece.source, target: transfer.lane, at, told: piece.at, line: piece.line, bytes: 0, chunks: 0 };
      sum.bytes += piece.length; sum.chunks += 1; sums.set(name, sum);
    }
    for (const sum of sums.values()) {
      const from = rows.get(sum.source), to = rows.get(sum.target);
      if (!from || !to) continue;
      const place = x(sum.at), [y1, y2] = edge(from, to), bend = Math.min(26, place - 8);
      layer.append(hover(svg("g", { class: `talk ${sourceClass(view, sum.source)}`, onclick: () => pick(lineAt(view, sum.target, sum.line)) },
        svg("path", { d: `M${place - bend},${y1}Q${place},${y1} ${place},${y2}`, "stroke-width": 1 + Math.min(4, Math.log10(1 + sum.bytes) / 2.5) }), svg("path", { class: "tip", d: arrow(place, y2, y1 < y2) })),
      () => [h("b", {}, `${sum.source} → ${sum.target}: ${bytes(sum.bytes)}`), h("br"), `${plural(sum.chunks, "piece")}, ${sum.at < sum.told ? `before it ended; verified at ${seconds(sum.told)}` : seconds(sum.at)}`]));
    }
  }

  function placedFault(layer, fault, rows, height) {
    const place = x(fault.at), row = rows.get(fault.node);
    const text = `⚡ ${fault.what}${fault.error ? " FAILED" : ""}`;
    const near = place > width - 160;
    layer.faults.append(hover(svg("g", { class: "fault" }, svg("line", { x1: place, x2: place, y1: AXIS, y2: height }),
      svg("text", { x: near ? place - 4 : place + 4, y: AXIS + 13, "text-anchor": near ? "end" : "start" }, text),
      row && svg("text", { class: "bolt", x: place, y: row.marks + 15, "text-anchor": "middle" }, "⚡")),
    () => [h("b", {}, text), h("br"), `${seconds(fault.at)}, took ${brief(fault.took_s)}`, fault.trigger && ` · set off by a line of ${fault.trigger_node}`, fault.error && ` · ${fault.error}`]));
  }

  function failing(layer, failure, rows, height) {
    const left = x(failure.since), right = x(failure.at), row = rows.get(failure.node);
    const waited = failure.at - failure.since;
    const text = failure.kind === "wait" ? `✗ waited ${brief(waited)} for ${failure.wanted || failure.expectation}` : `✗ ${failure.expectation}`;
    const end = right > width / 2;
    layer.waits.append(svg("line", { class: "moment", x1: right, x2: right, y1: AXIS, y2: height }));
    if (row) layer.waits.append(svg("rect", { class: "failing", id: options.compact ? null : "failing", x: left, y: row.top + 1, width: Math.max(3, right - left), height: row.height - 2 }));
    layer.notes.append(hover(svg("text", { class: "failing", x: end ? right - 6 : right + 6, y: AXIS + 81, "text-anchor": end ? "end" : "start" }, short(text, 110)),
      () => [h("b", {}, text), h("br"), `${failure.node} ${seconds(failure.since)} to ${seconds(failure.at)}`]));
  }

  function pick(line, group) {
    if (!line) return;
    activate(group || state.marks.find((one) => one.lines.includes(line)));
    showLine(view, line);
    select(view, line);
  }

  function activate(group) {
    if (state.active) { state.active.element.classList.remove("active"); state.active.element.setAttribute("aria-selected", "false"); }
    state.active = group || null;
    const picture = scroller.querySelector(".picture");
    if (!group) return;
    group.element.classList.add("active");
    group.element.setAttribute("aria-selected", "true");
    picture.setAttribute("aria-activedescendant", group.element.id);
    if (group.x < scroller.scrollLeft + 20 || group.x > scroller.scrollLeft + scroller.clientWidth - 20) scroller.scrollLeft = group.x - scroller.clientWidth / 2;
  }

  function keys(event) {
    const sorted = state.marks;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], lane = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "+" || event.key === "=") zoom(state.zoom * 2);
    else if (event.key === "-") zoom(state.zoom / 2);
    else if (event.key === "0") zoom(1);
    else if ((event.key === "Enter" || event.key === " ") && state.active) { showLine(view, state.active.lines[0], event.key === "Enter"); }
    else if (!sorted.length || !(step || lane || event.key === "Home" || event.key === "End")) return;
    else if (!state.active) { const first = focusMark() || sorted[0]; activate(first); showLine(view, first.lines[0]); }
    else {
      const here = state.active, same = sorted.filter((one) => one.lane === here.lane).sort((a, b) => a.x - b.x);
      let next = event.key === "Home" ? same[0] : event.key === "End" ? same.at(-1) : step ? same[same.indexOf(here) + step] : null;
      if (lane) {
        const order = view.lanes.filter((one) => state.nodes(one.label)), other = order[order.indexOf(here.lane) + lane];
        next = sorted.filter((one) => one.lane === other).sort((a, b) => Math.abs(a.x - here.x) - Math.abs(b.x - here.x))[0];
      }
      activate(next || here);
      showLine(view, (next || here).lines[0]);
    }
    event.preventDefault();
    event.stopPropagation();
  }

  function focusMark() {
    const line = options.focus && lineAt(view, options.focus.lane, options.focus.line);
    return line && state.marks.find((group) => group.lines.includes(line));
  }

  function zoom(to) {
    const middle = when(scroller.scrollLeft + scroller.clientWidth / 2);
    const line = state.active && state.active.lines[0];
    state.zoom = Math.min(512, Math.max(1, to));
    draw();
    scroller.scrollLeft = x(line ? line.at : middle) - scroller.clientWidth / 2;
    if (line) activate(state.marks.find((group) => group.lines.includes(line)));
  }

  // A short wait in a long scenario is shown large; else all of it fits.
  function toMoment() {
    const failure = options.focus, waited = Math.max(failure.at - failure.since, 0.2);
    state.zoom = 1;
    while (waited * 8 < span / state.zoom && state.zoom < 64) state.zoom *= 2;
    draw();
    scroller.scrollLeft = x(failure.at) - scroller.clientWidth * 0.75;
    activate(focusMark());
  }

  scroller.addEventListener("scroll", labelBars);
  scroller.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? state.zoom * 2 : state.zoom / 2);
  }, { passive: false });
  watchers.add((from, line) => {
    if (from === "resized") draw();
    else if (from === view && line) activate(state.marks.find((group) => group.lines.includes(line)));
    else if (state.active && !line) activate(null);
  });
  // Its width is known only once it is in the page. Drawing takes some milliseconds: of the many
  // of an overview only those in sight are drawn.
  const first = () => (options.focus ? toMoment() : draw());
  const observer = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) { observer.disconnect(); first(); }
  }, { rootMargin: "400px" });
  if (options.compact) observer.observe(element); else requestAnimationFrame(first);
  return { element, draw };
}

let lastNumber = 0;
const uniqueNumber = () => (lastNumber += 1);

function legend(view) {
  return h("span", { class: "legend" }, view.stopped !== null && h("span", {}, h("b", {}, "pale"), "after the scenario had ended"), Object.entries(LOOKS).map(([kind, word]) =>
    h("span", {}, svg("svg", { width: 16, height: 14, class: "picture", "aria-hidden": "true" }, svg("g", { class: `mark ${kind}` }, svg("path", { d: SHAPES[kind](8, 7) }))), word)));
}

function hover(element, content) {
  element.addEventListener("mousemove", (event) => showTip(event, ...content()));
  element.addEventListener("mouseleave", hideTip);
  return element;
}

function counted(lines) {
  const counts = new Map();
  for (const line of lines) counts.set(nameOf(line), (counts.get(nameOf(line)) || 0) + 1);
  return [...counts].slice(0, 6).map(([name, count]) => (count > 1 ? `${name} ×${count}` : name)).join(", ") + (counts.size > 6 ? ", …" : "");
}

function stack(bars) {
  const ends = [];
  return [...bars].sort((a, b) => a.begin - b.begin).map((bar) => {
    let row = ends.findIndex((end) => end <= bar.begin);
    if (row < 0) row = ends.length;
    ends[row] = bar.end === null ? Infinity : bar.end;
    return { bar, row };
  });
}

const arrow = (x, y, down) => (down ? `M${x},${y}l-4,-7h8z` : `M${x},${y}l-4,7h8z`);

function niceStep(raw) {
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= raw);
}

// Each source has a pattern besides its colour. Ids are shared: all pictures define the same.
function patterns() {
  const lines = ["", "M0,8L8,0", "M0,0L8,8", "M0,4H8", "M4,0V8", "M0,0L8,8M8,0L0,8", "M2,2h2v2h-2zM6,6h2v2h-2z", "M0,2H8M0,6H8"];
  return svg("defs", {}, lines.map((d, index) => svg("pattern", { id: `p${index}`, width: 8, height: 8, patternUnits: "userSpaceOnUse" },
    svg("rect", { class: `fill s${index}`, width: 8, height: 8 }), d && svg("path", { class: "pattern", d }))),
  svg("pattern", { id: "hatch", width: 8, height: 8, patternUnits: "userSpaceOnUse" }, svg("path", { class: "hatch", d: "M0,8L8,0" })),
  svg("pattern", { id: "void", width: 6, height: 6, patternUnits: "userSpaceOnUse" }, svg("path", { class: "void", d: "M0,6L6,0" })));
}
