// Small helpers. Everything of a log goes in as text, never as markup.

const $ = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [name, to] of Object.entries(value)) element.style.setProperty(name, to);
    else element.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false || child === "") continue;
    element.append(child instanceof Node ? child : visible(String(child)));
  }
  return element;
}

const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

// Control and direction characters would let a log show something else than what it holds.
function visible(text) {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (sign) => "\\u" + sign.charCodeAt(0).toString(16).padStart(4, "0"));
}

const seconds = (value, digits = 3) => value.toFixed(digits) + " s";
const brief = (value) => seconds(value, value < 0.1 ? 3 : value < 10 ? 2 : 1);
const short = (text, length) => (text.length > length ? text.slice(0, length - 1) + "…" : text);
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

function clock(unix) {
  const pad = (value) => String(value).padStart(2, "0");
  const at = new Date(unix * 1000);
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ` +
    `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

// All of a text, or as much as is read at a glance and a button that has the number of the rest.
const GLANCE = { lines: 12, characters: 2400 };
function block(view, text, looks = "") {
  const lines = text.split("\n");
  const head = short(lines.slice(0, lines.length > GLANCE.lines + 2 ? GLANCE.lines : undefined).join("\n"), GLANCE.characters);
  const left = lines.length - head.split("\n").length, box = h("code", { class: `block ${looks}`, tabindex: "-1" });
  const all = () => { box.replaceChildren(); fill(box, {}, places(view, text)); box.focus(); };
  return fill(box, {}, head === text ? places(view, text) : [places(view, head), "\n", h("button", { type: "button", class: "small", onclick: all },
    left ? `… ${plural(left, "more line")}` : `… ${plural(text.length - head.length + 1, "more character")}`)]);
}

// Lines that a text names lead there.
const places = (view, text) => text.split(/([\w-]+\.jsonl:\d+)/).map((part, index) => {
  const line = index % 2 ? lineKept(view, part) : null;
  return line ? h("button", { type: "button", class: "link", onclick: () => openLine(view, line) }, part) : part;
});

// Said where times are read, not beside each.
const TIMES = "Times are those of arrival, in seconds since the run began";
const columnHead = (word) => h("th", { scope: "col", title: /^(Time|At|Verified at)$/.test(word) ? TIMES : null }, word);

function copyButton(text, what) {
  const button = h("button", { type: "button", class: "small", "aria-label": `Copy ${what}`, onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without the right to the clipboard (a file opened by itself, in some browsers): the old way.
      const field = h("textarea", { class: "offscreen" }, text);
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  } }, "Copy");
  return button;
}

function command(text) {
  return h("span", { class: "command" }, h("code", {}, text), copyButton(text, "the command"));
}

// The matrix marks names with backticks.
const marked = (text) => text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));

const OUTCOMES = {
  passed: { sign: "✓", word: "passed" },
  failed: { sign: "✗", word: "failed" },
  skipped: { sign: "–", word: "skipped" },
  unsupported: { sign: "∅", word: "unsupported" },
};
const badge = (outcome) =>
  h("span", { class: `badge ${outcome}` }, `${OUTCOMES[outcome].sign} ${OUTCOMES[outcome].word}`);

// One tooltip for all; what it says is also in the marks' labels.
const tip = h("div", { id: "tip", hidden: true, "aria-hidden": "true" });
function showTip(event, ...content) {
  tip.replaceChildren(...content.filter(Boolean));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(event.clientX + 14, innerWidth - box.width - 8);
  const below = event.clientY + 18 + box.height < innerHeight;
  tip.style.setProperty("left", `${Math.max(4, left)}px`);
  tip.style.setProperty("top", `${below ? event.clientY + 18 : event.clientY - box.height - 10}px`);
}
const hideTip = () => { tip.hidden = true; };
