// A trial's training curves, one line for each of its trainings. For looking at only: no verdict rests on them.

const curves = {
  charts: [],

  draw(place, found, attempts) {
    const lines = found.map((one, i) => ({ ...one, attempt: attempts[i] || {} })).filter((one) => one.x);
    const own = (one) => one.attempt.role !== "incumbent";
    const rated = lines.findLast((one) => own(one) && one.lr);
    const tables = [...lines.map((one) => [one.x, one.y]), ...(rated ? [[rated.x, rated.lr]] : [])];
    const axis = { stroke: () => colour("soft"), font: `11px ${SANS}`, ticks: { show: false }, grid: { stroke: () => colour("line"), width: 1 } };
    const bare = { ...axis, grid: { show: false } };
    const chart = new uPlot({
      width: place.clientWidth || 600,
      height: 210,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false }, lr: { range: (c, low, high) => [0, high > 0 ? high * 1.08 : 1] } },
      axes: [
        { ...bare, size: 32, values: (c, splits) => splits.map((n) => n >= 1000 ? `${n / 1000}k` : String(n)) },
        { ...axis, size: 46 },
        ...(rated ? [{ ...bare, scale: "lr", side: 1, size: 58, values: (c, splits) => splits.map((n) => figures(n)) }] : []),
      ],
      series: [{}, ...lines.map((one) => ({
        stroke: () => colour(own(one) ? "accent" : "mark"), width: own(one) ? 1.6 : 1.1, spanGaps: true, points: { show: false },
      })), ...(rated ? [{ scale: "lr", stroke: () => colour("soft"), width: 1, dash: [5, 4], spanGaps: true, points: { show: false } }] : [])],
    }, tables.length > 1 ? uPlot.join(tables) : tables[0], place);
    new ResizeObserver(() => place.clientWidth && chart.setSize({ width: place.clientWidth, height: 210 })).observe(place);
    this.charts = [chart];
  },

  start() {
    theme.listeners.push(() => this.charts.forEach((chart) => chart.redraw(false, true)));
  },
};
