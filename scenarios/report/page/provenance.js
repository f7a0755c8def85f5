// A download's bytes: each file by who delivered what of it and when, and the rate over time.

const ROW = 24, NAMES = 210, CHART = 90;

function transferFigure(view, transfer) {
  const sources = Object.entries(transfer.by_source).sort((a, b) => b[1] - a[1]);
  // What came twice is no larger part of the whole.
  const again = (source) => transfer.again_by_source[source] || 0, fresh = ([source, count]) => count - again(source);
  const came = sources.reduce((sum, one) => sum + fresh(one), 0);
  const idle = transfer.sources.filter((source) => !transfer.by_source[source]);
  const holder = h("div", { class: "chart", style: { "min-height": `${filesHeight(transfer) + ratesHeight(transfer)}px` } });
  const draw = () => holder.replaceChildren(fileMap(view, transfer, holder.clientWidth || 1000), rates(view, transfer, holder.clientWidth || 1000) || "");
  requestAnimationFrame(draw);
  watchers.add((from) => { if (from === "resized") draw(); });
  const cut = cutOff(view, transfer), bad = BAD.test(transfer.outcome);
  const took = transfer.end === null ? "" : ` after ${brief(transfer.end - transfer.begin)}`;
  return h("figure", { class: "transfer" },
    h("h3", {}, `${transfer.lane} ${transfer.streamed ? "streams" : "downloads"} ${transfer.item || "(nothing named)"}: `,
      cut ? h("span", { class: "quiet" }, CUT + took) :
        h("span", { class: bad ? "alarm" : "" }, transfer.outcome ? `${bad ? "✗" : "✓"} ${transfer.outcome}${took}` : "✗ no end of it was told")),
    transfer.reason && h("p", { class: cut ? "quiet" : "alarm" }, transfer.reason),
    h("p", { class: "legend" },
      sources.map((one) => h("span", {}, h("span", { class: `swatch wide ${sourceClass(view, one[0])}` }),
        `${one[0]} ${bytes(fresh(one))} (${Math.round((100 * fresh(one)) / (came || 1))} %)`, again(one[0]) > 0 && `, and ${bytes(again(one[0]))} that had come before`)),
      idle.map((source) => h("span", {}, h("span", { class: `swatch wide ${sourceClass(view, source)}` }), `${source}: announced, but no chunk of it was finished`)),
      sources.some(([source]) => again(source)) && h("span", {}, h("span", { class: "swatch wide again" }), "had come before"),
      !came && h("span", {}, "no chunk was finished"),
      transfer.total_bytes > 0 && h("span", { class: "quiet" }, `of ${bytes(transfer.total_bytes)} (${transfer.total_bytes.toLocaleString("en")} bytes)`)),
    holder,
    transfer.files_left_out > 0 && h("p", { class: "note" }, `${plural(transfer.files_left_out, "smaller file")} not drawn; their events are in ${view.lane.get(transfer.lane).file}.`),
    transfer.pieces_left_out > 0 && h("p", { class: "note" }, `${plural(transfer.pieces_left_out, "piece")} not drawn; the sums above count all.`),
    pieceTable(view, transfer));
}

const filesHeight = (transfer) => transfer.files.length * ROW + 4;
// One interval makes no course: its rate would be a plateau that nobody measured.
const ratesHeight = (transfer) => (transfer.samples.length < 3 ? 0 : CHART + 26 + Object.keys(transfer.by_source).length * 14);

function fileMap(view, transfer, room) {
  const width = Math.max(240, room - NAMES - 90);
  const height = filesHeight(transfer);
  const picture = svg("svg", { class: "picture files", width: room, height, role: "img", "aria-label": `Who delivered which part of ${plural(transfer.files.length, "file")}; the table below has the same.` }, patterns());
  transfer.files.forEach((file, index) => {
    const y = index * ROW + 3, scale = width / Math.max(1, file.size);
    const path = file.path.replace(`${transfer.item}/`, "");
    picture.append(hover(svg("text", { class: "path", x: NAMES - 8, y: y + 13, "text-anchor": "end" }, path.length > 32 ? "…" + path.slice(-31) : path), () => [file.path]),
      svg("text", { class: "size", x: NAMES + width + 8, y: y + 13 }, bytes(file.size)),
      svg("rect", { class: "missing", x: NAMES, y, width, height: ROW - 6 }));
    for (const piece of file.pieces) {
      const left = NAMES + piece.offset * scale;
      const wide = file.size ? Math.max(1, piece.length * scale - 1) : width;
      const text = `${piece.source} · ${seconds(piece.at, 2)}`;
      const label = wide > 6.4 * text.length ? text : wide > 7 * piece.source.length ? piece.source : "";
      // Below the label of what had come before.
      const place = piece.again ? y + ROW - 8 : y;
      picture.append(hover(svg("g", { class: `piece ${sourceClass(view, piece.source)}${piece.again ? " again" : ""}`, onclick: () => openPiece(view, transfer, piece) },
        svg("rect", { x: left, y: place, width: wide, height: piece.again ? 4 : ROW - 6 }), label && !piece.again && svg("text", { x: left + wide / 2, y: y + 13, "text-anchor": "middle" }, label)),
      () => [h("b", {}, `${piece.source}: ${bytes(piece.length)}`), h("br"), `${file.path} from byte ${piece.offset.toLocaleString("en")}`, h("br"),
        `verified at ${seconds(piece.at)}`, piece.again && [h("br"), h("b", {}, beforeText(piece))]].flat()));
    }
  });
  return picture;
}

function beforeText(piece) {
  const apart = (at) => (piece.at - at < 0.001 ? "less than 1 ms" : brief(piece.at - at));
  return `${piece.again_bytes === piece.length ? "all" : bytes(piece.again_bytes)} of it had come before: ` +
    piece.before.slice(0, 6).map(([source, at]) => `from ${source}, ${apart(at)} earlier`).join("; ");
}

function openPiece(view, transfer, piece) {
  const line = lineAt(view, transfer.lane, piece.line);
  if (line) { showLine(view, line); select(view, line); }
}

// Bars: the mean rate between two progress events. Below: when each source's chunks were verified.
function rates(view, transfer, room) {
  const samples = transfer.samples;
  if (!ratesHeight(transfer)) return null;
  const pieces = transfer.files.flatMap((file) => file.pieces);
  const begin = samples[0][0], end = Math.max(samples.at(-1)[0], ...pieces.map((piece) => piece.at)), span = Math.max(end - begin, 0.001);
  const steps = samples.slice(1).map(([at, done], index) => {
    const [from, before] = samples[index];
    return { from, at, rate: Math.max(0, done - before) / Math.max(at - from, 0.001) };
  });
  const most = Math.max(...steps.map((step) => step.rate), 1), width = Math.max(240, room - NAMES - 90);
  const x = (at) => NAMES + ((at - begin) / span) * width;
  const names = Object.keys(transfer.by_source), height = ratesHeight(transfer);
  const picture = svg("svg", { class: "picture rates", width: room, height, role: "img", "aria-label": `Throughput over ${brief(span)}, at most ${bytes(most)} per second` }, patterns(),
    svg("text", { class: "path", x: NAMES - 8, y: 14, "text-anchor": "end" }, "throughput"),
    svg("text", { class: "size", x: NAMES + width + 8, y: 14 }, `${bytes(most)}/s`),
    svg("line", { class: "grid", x1: NAMES, x2: NAMES + width, y1: 4, y2: 4 }), svg("line", { class: "grid", x1: NAMES, x2: NAMES + width, y1: CHART, y2: CHART }));
  for (const step of steps) {
    const tall = (step.rate / most) * (CHART - 4);
    picture.append(hover(svg("rect", { class: "rate", x: x(step.from), y: CHART - tall, width: Math.max(1, x(step.at) - x(step.from) - 0.5), height: tall }),
      () => [h("b", {}, `${bytes(step.rate)}/s`), h("br"), `${seconds(step.from)} to ${seconds(step.at)}`]));
  }
  names.forEach((name, index) => {
    const y = CHART + 8 + index * 14;
    picture.append(svg("text", { class: "path", x: NAMES - 8, y: y + 5, "text-anchor": "end" }, short(name, 28)));
    for (const piece of pieces) if (piece.source === name) picture.append(svg("path", { class: `tick ${sourceClass(view, name)}`, d: SHAPES.bytes(x(piece.at), y) }));
  });
  const base = CHART + 20 + names.length * 14;
  for (const at of [begin, begin + span / 2, end]) picture.append(svg("text", { class: "tick", x: x(at), y: base, "text-anchor": at === begin ? "start" : at === end ? "end" : "middle" }, seconds(at, span < 1 ? 3 : 2)));
  return picture;
}

function pieceTable(view, transfer) {
  const rows = transfer.files.flatMap((file) => file.pieces.map((piece) => [file, piece]));
  if (!rows.length) return null;
  const details = h("details", {}, h("summary", {}, `The same as a table (${plural(rows.length, "piece")})`));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length < 2) details.append(h("div", { class: "wide" }, h("table", {},
      h("thead", {}, h("tr", {}, ["File", "From byte", "Bytes", "Source", "Verified at", "Line"].map(columnHead))),
      h("tbody", {}, rows.slice(0, 1000).map(([file, piece]) => h("tr", {}, h("td", {}, file.path), h("td", { class: "number" }, String(piece.offset)), h("td", { class: "number" }, String(piece.length)),
        h("td", {}, piece.source, piece.again && h("span", { class: "alarm" }, ` — ${beforeText(piece)}`)), h("td", { class: "number" }, seconds(piece.at)), h("td", {}, h("button", { type: "button", class: "small", onclick: () => openPiece(view, transfer, piece) }, `line ${piece.line}`))))))));
  });
  return details;
}
