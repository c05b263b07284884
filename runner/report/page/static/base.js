// Making elements and saying numbers. Text from a trial reaches the document through `textContent` alone.

const byId = (id) => document.getElementById(id);
const MINUS = "\u2212", NONE = "\u2013";

/** An element. attributes: of our own making, never of a trial. children: nodes, or text that is put in as text. */
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key === "class") made.className = value;
    else if (key === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  return add(made, ...children);
}

function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return add(made, ...children);
}

function add(place, ...children) {
  for (const child of children.flat()) if (child !== null && child !== undefined && child !== "") place.append(child);
  return place;
}

const bpb = (x) => x === null || x === undefined ? NONE : x.toFixed(4).replace("-", MINUS);
const signed = (x) => x === null || x === undefined ? NONE : (x < 0 ? MINUS : "+") + Math.abs(x).toFixed(4);
const share = (x) => `${(Math.abs(x) >= 1 || x === 0 ? x.toFixed(1) : x.toFixed(2)).replace("-", MINUS)}\u00a0%`;
const count = (x) => Math.round(x).toLocaleString("en");
const figures = (x, digits = 3) => String(Number(x.toPrecision(digits))).replace("-", MINUS);

function duration(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds < 9.95) return `${Math.max(seconds, 0).toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const two = (n) => String(n).padStart(2, "0");
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  const hours = Math.round(whole / 3600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

const megabytes = (mb) => mb >= 999.5 ? `${(mb / 1000).toFixed(1)} GB` : `${Math.round(mb)} MB`;

/** From one time to another, the day said once where it is the same. */
function span(from, to) {
  const [first, last] = [clock(from), clock(to)], day = (said) => said.slice(0, said.lastIndexOf(","));
  return day(first) === day(last) ? `${first} to ${last.slice(last.lastIndexOf(",") + 2)}` : `${first} to ${last}`;
}

/** A time of the record as this reader's clock says it. */
function clock(stamp) {
  const when = new Date(stamp);
  if (Number.isNaN(when.getTime())) return stamp;
  return when.toLocaleString("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
}

const page = JSON.parse(byId("data").textContent);
const trialName = (n) => n === 0 ? "the baseline" : `trial ${n}`;
const WORDS = { keep: "kept", discard: "discarded", crash: "crashed" };
const said = (trial) => trial.status === "crash" && trial.word !== "crash" ? trial.word : WORDS[trial.status];
const say = (sentence) => { byId("said").textContent = sentence; };

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const SANS = '"Inter", ui-sans-serif, system-ui, sans-serif';

const theme = {
  listeners: [],
  chosen: "auto",
  dark: matchMedia("(prefers-color-scheme: dark)"),
  start() {
    try { this.chosen = localStorage.getItem("runner-theme") || "auto"; } catch { /* a file without storage */ }
    this.dark.addEventListener("change", () => this.show());
    byId("theme").addEventListener("click", () => {
      this.chosen = { auto: "light", light: "dark", dark: "auto" }[this.chosen] || "auto";
      try { localStorage.setItem("runner-theme", this.chosen); } catch { /* as above */ }
      this.show();
    });
    this.show();
  },
  show() {
    const dark = this.chosen === "dark" || (this.chosen !== "light" && this.dark.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    byId("theme").textContent = `Theme: ${this.chosen}`;
    for (const listener of this.listeners) listener();
  },
};
