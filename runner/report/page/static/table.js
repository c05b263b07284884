// The trials as a table: the staircase for those who read or listen. Sorts, filters, searches.

const COLUMNS = [
  { key: "n", name: "Trial", kind: "num", value: (t) => t.n, cell: (t) => String(t.n) },
  { key: "word", name: "Verdict", kind: "word", value: (t) => said(t), cell: (t) => said(t) },
  { key: "bpb", name: "Score", kind: "num score", value: (t) => t.bpb, cell: (t) => bpb(t.bpb) },
  { key: "delta", name: "Against best", kind: "num slim", value: (t) => difference(t), cell: (t) => signed(difference(t)) },
  { key: "note", name: "What was tried", kind: "what", value: (t) => t.note.toLowerCase(), cell: (t) => openButton(t.n, t.note || "no note") },
  { key: "runs", name: "Trainings", kind: "num slim", value: (t) => t.attempts.length, cell: (t) => String(t.attempts.length) },
  { key: "agent", name: "Agent", kind: "who slim", value: (t) => t.agent.toLowerCase(), cell: (t) => t.agent },
];
const AT_ONCE = 1000;

const difference = (t) => t.bpb === undefined || t.against === undefined ? undefined : t.bpb - t.against;

const table = {
  by: "n", way: 1, only: "all", words: "", limit: AT_ONCE,

  start() {
    byId("heads").replaceChildren(...COLUMNS.map((column) => el("th", { scope: "col", class: column.kind, id: `by-${column.key}` },
      el("button", { type: "button", on: { click: () => this.sort(column.key) } }, column.name))));
    byId("search").addEventListener("input", (event) => {
      this.words = event.target.value.trim().toLowerCase();
      this.show();
    });
    byId("more").addEventListener("click", () => {
      this.limit = Infinity;
      this.show();
    });
    this.choices();
    this.show();
  },

  choices() {
    const { run } = page;
    const kinds = [["all", "All", page.trials.length], ["keep", "Kept", run.kept], ["discard", "Discarded", run.discarded], ["crash", "Crashed", run.crashed]];
    const box = byId("choice"), unseen = box.querySelector("legend");
    box.replaceChildren(unseen, ...kinds.filter(([kind, , n]) => n || kind === "all").map(([kind, name, n]) => el("label", {},
      el("input", { type: "radio", name: "only", value: kind, checked: this.only === kind, on: { change: () => { this.only = kind; this.show(); } } }),
      `${name} `, el("span", { class: "soft" }, count(n)))));
  },

  sort(key) {
    this.way = this.by === key ? -this.way : 1;
    this.by = key;
    this.show();
  },

  found() {
    const fits = (t) => (this.only === "all" || t.status === this.only)
      && (!this.words || `${t.n} ${t.note} ${t.agent} ${t.commit} ${said(t)}`.toLowerCase().includes(this.words));
    const { value } = COLUMNS.find((column) => column.key === this.by);
    const compare = (a, b) => a === b ? 0 : a === undefined ? 1 : b === undefined ? -1 : (a < b ? -1 : 1) * this.way;
    return page.trials.filter(fits).sort((a, b) => compare(value(a), value(b)) || a.n - b.n);
  },

  show() {
    const found = this.found();
    for (const column of COLUMNS) {
      const head = byId(`by-${column.key}`);
      if (column.key === this.by) head.setAttribute("aria-sort", this.way > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
    byId("rows").replaceChildren(...found.slice(0, this.limit).map((trial) => el("tr", { class: trial.status },
      ...COLUMNS.map((column) => el("td", { class: column.kind }, column.cell(trial))))));
    const all = page.trials.length;
    byId("counted").textContent = found.length === all ? "" : `${found.length} of ${all} trials`;
    byId("more").hidden = found.length <= this.limit;
    byId("more").textContent = `Show all ${count(found.length)}`;
  },
};
