// Where the reader is (#/S18), the head, the theme, and keys that work everywhere.

const keyHere = () => decodeURIComponent(location.hash.replace(/^#\/?/, ""));

function show() {
  const key = keyHere();
  const known = INDEX.has(key);
  watchers.clear();
  if (docked) closeDock();
  hideTip();
  $("main").replaceChildren(...(known ? scenarioPage(key) : overviewPage()).flat(Infinity).filter(Boolean));
  $("head").replaceChildren(...head(known ? key : null));
  document.title = known ? `${title(RUN.scenarios[INDEX.get(key)])} ${RUN.scenarios[INDEX.get(key)].name}` : `${verdict()} · ${RUN.run_id}`;
  scrollTo(0, 0);
}

function head(key) {
  return [
    h("div", { class: "top" },
      h("a", { href: "#/", class: "home", "aria-current": key ? null : "page" }, "Overview"),
      h("span", { class: "quiet" }, `${RUN.run_id} · ${verdict()}`),
      h("span", { class: "grow" }),
      h("span", { class: "quiet keys" }, h("kbd", {}, "n"), " next ", h("kbd", {}, "p"), " previous ",
        FAILED.length > 0 && [h("kbd", {}, "f"), " next failure "], h("kbd", {}, "o"), " overview"),
      h("button", { type: "button", id: "theme", onclick: turnTheme }, themeWord())),
    h("nav", { "aria-label": "Scenarios" }, h("ul", { class: "matrix" }, RUN.scenarios.map((one) =>
      h("li", {}, h("a", { href: link(one.key), class: `chip ${one.outcome}`, "aria-current": one.key === key ? "page" : null,
        "aria-label": `${title(one)} ${one.outcome}: ${one.name}`, title: one.name, onkeydown: moveInMatrix },
      one.key.replace("/", "·"), h("span", { "aria-hidden": "true" }, OUTCOMES[one.outcome].sign)))))),
  ];
}

function moveInMatrix(event) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  const chips = [...document.querySelectorAll(".matrix a")];
  const next = chips[chips.indexOf(event.currentTarget) + by];
  if (next) next.focus();
}

// The system's wish counts until the reader has one.
const dark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const themeWord = () => (dark() ? "Light theme" : "Dark theme");
function turnTheme() {
  const theme = dark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  $("theme").textContent = themeWord();
  try { localStorage.setItem("theme", theme); } catch { /* not kept where a file may not */ }
}
try {
  const kept = localStorage.getItem("theme");
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
} catch { /* see above */ }

function go(key) { location.hash = key === undefined ? "#/" : link(key); }

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  const here = INDEX.has(keyHere()) ? INDEX.get(keyHere()) : -1;
  if (event.key === "Escape" && docked) closeDock();
  else if (event.key === "n" && here + 1 < RUN.scenarios.length) go(RUN.scenarios[here + 1].key);
  else if (event.key === "p" && here > 0) go(RUN.scenarios[here - 1].key);
  else if (event.key === "f" && FAILED.length) go((FAILED.find((one) => INDEX.get(one.key) > here) || FAILED[0]).key);
  else if (event.key === "o") go();
});
addEventListener("hashchange", () => {
  show();
  $("main").focus({ preventScroll: true }); // what had the focus is gone
});
let resizing = 0;
addEventListener("resize", () => { cancelAnimationFrame(resizing); resizing = requestAnimationFrame(() => select("resized", null)); });
document.body.append(tip);
show();
