// The staircase: uPlot draws axes, line and band, `stairs.js` the marks; here are hover, click, keys and zoom.

const stairs = {
  chart: null,
  at: null, // the trial that is pointed at

  start() {
    if (!page.trials.length) return;
    const place = byId("stairs");
    this.chart = new uPlot(this.options(place), this.data(), place);
    this.ring = el("div", { class: "ring", hidden: true });
    this.chart.over.append(this.ring);
    new ResizeObserver(() => this.resize()).observe(place);
    theme.listeners.push(() => this.chart.redraw(false, true));
    this.listen(place);
    this.describe();
    legend();
  },

  size(place) {
    const width = place.clientWidth || 800;
    return { width, height: width < 560 ? 320 : Math.round(Math.min(520, Math.max(400, width * 0.44))) };
  },

  resize() {
    const { width, height } = this.size(byId("stairs"));
    if (width !== this.chart.width) this.chart.setSize({ width, height });
    this.point(this.at);
  },

  range() {
    const last = Math.max(1, page.trials.length - 1);
    return [-0.3 - 0.015 * last, last + 0.3 + 0.015 * last];
  },

  data() {
    const { levels, band } = page.run;
    const x = page.trials.map((trial) => trial.n);
    x.push(this.range()[1]);
    const column = (found, which) => x.map((n) => heldAt(found, n, which));
    return [x, column(band, 1), column(band, 2), column(levels, 1)];
  },

  options(place) {
    const stepped = uPlot.paths.stepped({ align: 1 });
    const axis = { stroke: () => colour("soft"), font: `12px ${SANS}`, ticks: { show: false } };
    const whole = (chart, splits) => splits.map((n) => Number.isInteger(n) ? String(n) : "");
    const even = (chart, splits, which, space, step) => splits.map((y) => y.toFixed(decimals(step)));
    const plain = { points: { show: false }, paths: stepped };
    return {
      ...this.size(place),
      padding: [14, 8, 0, 0],
      legend: { show: false },
      cursor: { x: false, y: false, points: { show: false }, drag: { x: true, y: false, dist: 8 } },
      scales: {
        x: { time: false, range: (chart, low, high) => this.zoomed(chart, low, high) },
        y: { range: () => [page.run.low, page.run.high] },
      },
      axes: [
        { ...axis, grid: { show: false }, values: whole, gap: 9, size: 34, space: 60, label: "trial", labelSize: 16, labelGap: 2, labelFont: `12px ${SANS}` },
        { ...axis, grid: { stroke: () => colour("line"), width: 1 }, values: even, gap: 8, size: 58, space: 54 },
      ],
      series: [
        {},
        { ...plain, stroke: "transparent" },
        { ...plain, stroke: "transparent" },
        { ...plain, stroke: () => colour("accent"), width: 2.4 },
      ],
      bands: [{ series: [2, 1], fill: () => colour("wash") }],
      hooks: { draw: [drawMarks], setScale: [(chart, key) => key === "x" && this.afterZoom(chart)] },
    };
  },

  /** uPlot asks for the range of the data at first and after a double click: that is all of it. */
  zoomed(chart, low, high) {
    const [from, to] = this.range();
    const whole = low === null || (low <= 0 && high >= to - 1e-9);
    return whole ? [from, to] : [Math.max(from, low), Math.min(to, Math.max(high, low + 2))];
  },

  afterZoom(chart) {
    const [from, to] = this.range();
    byId("unzoom").hidden = !(chart.scales.x.min > from + 1e-6 || chart.scales.x.max < to - 1e-6);
    if (this.ring) this.point(null);
  },

  listen(place) {
    const { over } = this.chart;
    let down = null;
    over.addEventListener("mousedown", (event) => { down = event.clientX; });
    over.addEventListener("mousemove", (event) => this.point(this.nearest(event)));
    over.addEventListener("mouseleave", () => this.point(null));
    over.addEventListener("click", (event) => {
      const found = this.nearest(event);
      if (found !== null && Math.abs(event.clientX - (down ?? event.clientX)) < 6) openTrial(found);
    });
    byId("unzoom").addEventListener("click", () => {
      const [min, max] = this.range();
      this.chart.setScale("x", { min, max });
      place.focus();
    });
    place.addEventListener("keydown", (event) => this.key(event));
    place.addEventListener("blur", () => this.point(null));
  },

  /** The trial whose mark is nearest to the pointer; a kept one wins where they are close. */
  nearest(event) {
    const frame = this.chart.over.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    let best = null, least = 60;
    for (const trial of page.trials) {
      const mark = markOf(trial);
      const dx = this.chart.valToPos(trial.n, "x") - x;
      if (Math.abs(dx) > 60) continue;
      const distance = Math.hypot(dx, (this.chart.valToPos(mark.y, "y") - y) * 0.7) - (mark.kind === "keep" ? 7 : 0);
      if (distance < least) [best, least] = [trial.n, distance];
    }
    return best;
  },

  key(event) {
    const last = page.trials.length - 1;
    const now = this.at ?? this.where ?? page.run.best_trial ?? 0;
    const kept = page.trials.filter((trial) => trial.status === "keep").map((trial) => trial.n);
    const steps = {
      ArrowRight: () => Math.min(last, now + 1), ArrowUp: () => Math.min(last, now + 1),
      ArrowLeft: () => Math.max(0, now - 1), ArrowDown: () => Math.max(0, now - 1),
      Home: () => 0, End: () => last,
      PageUp: () => kept.findLast((n) => n < now) ?? now, PageDown: () => kept.find((n) => n > now) ?? now,
    };
    if (event.key === "Enter" || event.key === " ") openTrial(now);
    else if (event.key === "Escape") return this.point(null);
    else if (steps[event.key]) this.point(steps[event.key]());
    else return undefined;
    event.preventDefault();
    return undefined;
  },

  /** Show which trial is meant, beside its mark and to a screen reader; null: none. */
  point(n) {
    this.at = n;
    const tip = byId("tip"), trial = n === null ? null : page.trials[n];
    const { x } = this.chart.scales;
    const seen = trial && n >= x.min && n <= x.max;
    this.ring.hidden = tip.hidden = !seen;
    if (!seen) return;
    this.where = n;
    const left = this.chart.valToPos(n, "x"), top = this.chart.valToPos(markOf(trial).y, "y");
    this.ring.style.left = `${left}px`;
    this.ring.style.top = `${top}px`;
    tip.replaceChildren(...tipLines(trial));
    const { over } = this.chart, room = byId("stairs").clientWidth;
    const x0 = over.offsetLeft + left, y0 = over.offsetTop + top;
    const wide = tip.offsetWidth, high = tip.offsetHeight;
    tip.style.left = `${Math.max(0, Math.min(room - wide, x0 + 16 + wide > room ? x0 - 16 - wide : x0 + 16))}px`;
    tip.style.top = `${Math.max(0, y0 - high - 12)}px`;
    this.describe();
  },

  describe() {
    const place = byId("stairs"), n = this.at ?? this.where ?? page.run.best_trial ?? 0, trial = page.trials[n];
    place.setAttribute("aria-valuemin", "0");
    place.setAttribute("aria-valuemax", String(page.trials.length - 1));
    place.setAttribute("aria-valuenow", String(n));
    place.setAttribute("aria-valuetext", trial ? `Trial ${n}, ${said(trial)}, ${trial.bpb === undefined ? "no score" : bpb(trial.bpb)}. ${trial.note}` : "");
  },

  renew() {
    if (!this.chart) return this.start();
    const zoomed = !byId("unzoom").hidden, { min, max } = this.chart.scales.x;
    this.chart.setData(this.data(), !zoomed);
    if (zoomed) this.chart.setScale("x", { min, max });
    legend();
    this.describe();
    return undefined;
  },
};

/** Digits after the point that numbers a `step` apart need. */
function decimals(step) {
  let digits = 1;
  while (digits < 6 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) digits += 1;
  return digits;
}

function tipLines(trial) {
  const score = trial.bpb === undefined ? "" : ` ${bpb(trial.bpb)}`;
  const against = trial.bpb !== undefined && trial.against !== undefined ? ` (${signed(trial.bpb - trial.against)})` : "";
  return [
    el("p", {}, el("b", {}, `${trial.n === 0 ? "Baseline" : `Trial ${trial.n}`}, ${said(trial)}`), score + against),
    el("p", {}, trial.note),
  ];
}

function legend() {
  const mark = (...shapes) => svg("svg", { viewBox: "0 0 18 14", "aria-hidden": "true" }, ...shapes);
  const { crashed, discarded, kept, sigma, band } = page.run;
  const off = page.trials.some((trial) => ["above", "below"].includes(markOf(trial).kind));
  const rows = [
    [mark(svg("path", { d: "M1 3h8v8h8", fill: "none", stroke: "var(--accent)", "stroke-width": 2.2 }), svg("circle", { cx: 9, cy: 11, r: 3, fill: "var(--accent)" })), `kept (${kept})`],
    discarded && [mark(svg("circle", { cx: 9, cy: 7, r: 3, fill: "var(--mark)" })), `discarded (${discarded})`],
    off && [mark(svg("path", { d: "M9 3l4 8H5z", fill: "var(--mark)" })), "off the scale"],
    crashed && [mark(svg("path", { d: "M5 3l8 8M13 3l-8 8", stroke: "var(--bad)", "stroke-width": 1.6 })), `crashed (${crashed})`],
    band.length && [mark(svg("rect", { x: 0, y: 2, width: 18, height: 10, fill: "var(--wash)" })), `one seed, \u00b11 \u03c3${sigma ? ` (${bpb(sigma)})` : ""}`],
  ];
  byId("legend").replaceChildren(...rows.filter(Boolean).map(([sign, words]) => el("li", {}, sign, words)));
}
