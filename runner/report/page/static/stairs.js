// The staircase's marks on the chart's canvas: labels, crosses, arrows. Knows the scales, not the events.

/** What stands where, for one trial: kind, and the value that it is drawn at. */
function markOf(trial) {
  const { low, high } = page.run;
  const value = trial.bpb;
  if (trial.status === "crash" || value === undefined) return { kind: "crash", y: low };
  if (trial.status === "keep") return { kind: "keep", y: value };
  const edge = 0.012 * (high - low);
  if (value > high) return { kind: "above", y: high - edge };
  if (value < low) return { kind: "below", y: low + edge };
  return { kind: "discard", y: value };
}

/** The value that a list of [from trial, value …] has at trial n. */
function heldAt(levels, n, column = 1) {
  let found = null;
  for (const level of levels) {
    if (level[0] > n) break;
    found = level[column];
  }
  return found;
}

function drawMarks(chart) {
  const { ctx } = chart;
  const unit = devicePixelRatio;
  const many = page.trials.length > 150;
  const { left, top, width, height } = chart.bbox;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left - 8 * unit, top - 8 * unit, width + 16 * unit, height + 16 * unit);
  ctx.clip();
  const place = (trial, y) => [chart.valToPos(trial.n, "x", true), chart.valToPos(y, "y", true)];
  const small = (many ? 2.1 : 3.2) * unit;
  ctx.fillStyle = colour("mark");
  for (const trial of page.trials) {
    const mark = markOf(trial);
    const [x, y] = place(trial, mark.y);
    if (mark.kind === "discard") disc(ctx, x, y, small);
    else if (mark.kind === "above" || mark.kind === "below") arrow(ctx, x, y, small * 1.3, mark.kind === "above" ? -1 : 1);
    else if (mark.kind === "crash") cross(ctx, x, top + height, 3.2 * unit, unit);
  }
  const big = (page.run.levels.length > 60 ? 4 : 5.4) * unit;
  for (const trial of page.trials) {
    if (trial.status !== "keep") continue;
    const [x, y] = place(trial, trial.bpb);
    ctx.fillStyle = colour("paper");
    disc(ctx, x, y, big + 1.6 * unit);
    ctx.fillStyle = colour("accent");
    disc(ctx, x, y, big);
  }
  drawLabels(chart, unit, place);
  ctx.restore();
}

function disc(ctx, x, y, radius) {
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
  ctx.fill();
}

function arrow(ctx, x, y, size, way) {
  ctx.beginPath();
  ctx.moveTo(x, y + way * size);
  ctx.lineTo(x - size, y - way * size);
  ctx.lineTo(x + size, y - way * size);
  ctx.closePath();
  ctx.fill();
}

function cross(ctx, x, y, size, unit) {
  ctx.strokeStyle = colour("bad");
  ctx.lineWidth = 1.5 * unit;
  ctx.beginPath();
  ctx.moveTo(x - size, y - size);
  ctx.lineTo(x + size, y + size);
  ctx.moveTo(x + size, y - size);
  ctx.lineTo(x - size, y + size);
  ctx.stroke();
}

/** Kept trials in the order in which they deserve a label: the best, then the largest gains. */
function byGain(kept) {
  const gain = new Map(kept.slice(1).map((trial, i) => [trial, kept[i].bpb - trial.bpb]));
  const inner = kept.slice(1, -1).sort((a, b) => gain.get(b) - gain.get(a));
  return kept.length > 1 ? [kept.at(-1), ...inner, kept[0]] : kept;
}

const SIDES = [["left", 10, -13], ["right", -10, 13], ["left", 10, 14], ["right", -10, -14], ["right", -10, 28]];

/** The kept trials' notes beside their marks, shorter where there is little room, left out where there is none. */
function drawLabels(chart, unit, place) {
  const { ctx, bbox } = chart;
  const narrow = bbox.width / unit < 560;
  const [from, to] = [chart.scales.x.min, chart.scales.x.max];
  const kept = page.trials.filter((trial) => trial.status === "keep" && trial.n >= from && trial.n <= to);
  const taken = obstacles(chart, unit, place);
  ctx.font = `${(narrow ? 11 : 12) * unit}px ${SANS}`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  let left = narrow ? 5 : 16;
  for (const trial of byGain(kept)) {
    const [x, y] = place(trial, trial.bpb);
    ctx.fillStyle = colour(trial.n === page.run.best_trial ? "accent" : "ink");
    if (left && (narrow ? [22, 14] : [38, 26, 16]).some((letters) => drawLabel(ctx, bbox, taken, unit, x, y, short(trial, letters)))) left -= 1;
  }
}

function short(trial, letters) {
  const note = trial.n === 0 ? "baseline" : trial.note;
  return note.length > letters ? `${note.slice(0, letters - 1).trimEnd()}…` : note;
}

/** Draws a label on the first side of a mark that has room for it, and takes the room; whether it could. */
function drawLabel(ctx, bbox, taken, unit, x, y, text) {
  const width = ctx.measureText(text).width, half = 8 * unit;
  for (const [align, dx, dy] of SIDES) {
    const a = align === "left" ? x + dx * unit : x + dx * unit - width, middle = y + dy * unit;
    const box = [a - 2 * unit, middle - half, a + width + 2 * unit, middle + half];
    const inside = box[0] >= bbox.left && box[2] <= bbox.left + bbox.width && box[1] >= bbox.top && box[3] <= bbox.top + bbox.height - 6 * unit;
    if (!inside || taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) continue;
    taken.push(box);
    ctx.fillText(text, a, middle);
    return true;
  }
  return false;
}

/** Boxes that no label may cover: the marks, and the line of the stairs. */
function obstacles(chart, unit, place) {
  const taken = [];
  for (const trial of page.trials) {
    const mark = markOf(trial);
    const [x, y] = place(trial, mark.y), r = (mark.kind === "keep" ? 7 : 3) * unit;
    taken.push([x - r, y - r, x + r, y + r]);
  }
  const levels = page.run.levels, pad = 3 * unit;
  levels.forEach(([n, value], i) => {
    const y = chart.valToPos(value, "y", true), x = chart.valToPos(n, "x", true);
    const end = chart.valToPos(i + 1 < levels.length ? levels[i + 1][0] : chart.scales.x.max, "x", true);
    taken.push([x, y - pad, end, y + pad]);
    if (i > 0) {
      const before = chart.valToPos(levels[i - 1][1], "y", true);
      taken.push([x - pad, Math.min(before, y), x + pad, Math.max(before, y)]);
    }
  });
  return taken;
}
