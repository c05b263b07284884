// The sentence at the top and the figures of what the run took.

function headline() {
  const { run } = page;
  byId("tag").textContent = run.tag;
  const last = page.trials.at(-1);
  byId("when").textContent = last ? span(run.created, last.time) : clock(run.created);
  const title = byId("headline");
  const unseen = (words) => el("span", { class: "unseen" }, words);
  if (run.best === null) {
    title.replaceChildren("No score yet");
  } else if (run.gain && run.baseline !== null && run.gain > 0) {
    title.replaceChildren(
      unseen(`Run ${run.tag}: validation score from `), el("span", { class: "from" }, bpb(run.baseline)),
      el("span", { class: "arrow", "aria-hidden": "true" }, "\u2192"), unseen(" to "),
      el("span", { class: "to" }, bpb(run.best)), el("span", { class: "unit" }, "bits per byte"),
    );
  } else {
    title.replaceChildren(el("span", { class: "to" }, bpb(run.best)), el("span", { class: "unit" }, "bits per byte"));
  }
  byId("lede").replaceChildren(...lede(run));
}

function lede(run) {
  const trials = (n) => n === 1 ? "1 proposal" : `${count(n)} proposals`;
  if (!page.trials.length) return ["No trial has been decided yet."];
  if (!run.proposals) return ["The baseline is measured. No proposal has been decided yet."];
  const rest = [
    run.discarded && `${run.discarded} discarded`,
    run.crashed && `${run.crashed} crashed`,
  ].filter(Boolean).join(", ");
  const tail = `of ${trials(run.proposals)} kept${rest ? `, ${rest}` : ""}.`;
  if (!run.kept) return [`None ${tail} Lower is better.`];
  const best = page.trials[run.best_trial];
  const parts = [`${run.kept} ${tail} `];
  if (run.percent) parts.push("The best is ", el("b", {}, `${share(run.percent)} lower`), " than the baseline: ");
  parts.push(openButton(run.best_trial, `trial ${run.best_trial}`));
  return best && best.note ? [...parts, `, ${best.note}`] : parts;
}

/** A button that reads like a link and opens a trial. */
function openButton(n, words) {
  return el("button", { type: "button", class: "open", "aria-haspopup": "dialog", on: { click: () => openTrial(n) } }, words);
}

function fact(name, value, unit, more) {
  return el("div", { class: "fact" },
    el("p", { class: "name" }, name),
    el("p", { class: "value" }, value, unit ? el("small", {}, `\u00a0${unit}`) : null),
    more ? el("p", { class: "more" }, more) : null);
}

function facts() {
  const { run } = page, found = [];
  if (run.proposals) {
    found.push(fact("Kept", share(100 * run.kept / run.proposals), "", `${run.kept} of ${run.proposals} proposals`));
  }
  if (run.gain !== null) {
    found.push(fact("Gain", bpb(run.gain), "bits per byte", run.percent ? `${share(run.percent)} under the baseline's ${bpb(run.baseline)}` : ""));
  }
  if (run.per_hour !== null) {
    const unit = run.gpu ? "a GPU-hour" : "an hour";
    found.push(fact(`Gain for ${unit}`, bpb(run.per_hour), "bits per byte", `${figures(run.hours)} hours of training and scoring`));
  }
  if (run.cost) {
    const tokens = [run.cost.tokens_in, run.cost.tokens_out].every((n) => n !== null) ? `${count(run.cost.tokens_in)} tokens read, ${count(run.cost.tokens_out)} written` : "";
    const more = [run.per_cost !== null ? `gain of ${bpb(run.per_cost)} a dollar` : "", tokens].filter(Boolean).join("; ");
    found.push(fact("Cost of the agent", run.cost.usd === null ? NONE : `$${run.cost.usd.toFixed(2)}`, "", more));
  }
  if (run.holdout) found.push(...holdoutFacts(run.holdout));
  if (run.sigma) {
    found.push(fact("Noise", bpb(run.sigma), "\u03c3", run.gain ? `between seeds; the gain is ${figures(run.gain / run.sigma)} of it` : "between seeds"));
  }
  if (run.gpu) found.push(gpuFact(run.gpu));
  byId("facts").replaceChildren(...found);
  byId("split").replaceChildren(...timeSplit(run.times));
}

function holdoutFacts(held) {
  const found = [];
  if (held.best !== null) {
    found.push(fact("Holdout", bpb(held.best), "bits per byte", `${held.baseline !== null ? `the baseline ${bpb(held.baseline)}; ` : ""}text that no decision has seen`));
  }
  if (held.gap !== null) {
    found.push(fact("Optimism gap", signed(held.gap), held.error === null ? "" : `\u00b1 ${bpb(held.error)}`, "the gain on validation less the gain on the holdout"));
  }
  return found;
}

function gpuFact(gpu) {
  const read = Object.entries(gpu.readings).slice(0, 6).map(([key, value]) => `${key.replaceAll("_", " ")} ${figures(value)}`);
  return fact("GPU memory, peak", gpu.peak_mb === null ? NONE : megabytes(gpu.peak_mb), "", [gpu.name, ...read].join(", "));
}

const PARTS = [["training", "var(--accent)", 1], ["scoring", "var(--accent)", 0.55], ["agent", "var(--ink)", 0.6], ["other", "var(--mark)", 1], ["waiting", "var(--line)", 1]];

function timeSplit(times) {
  const found = PARTS.map(([name, fill, opacity]) => ({ name, fill, opacity, seconds: times[name] || 0 })).filter((part) => part.seconds > 0);
  const total = found.reduce((sum, part) => sum + part.seconds, 0);
  if (!total) return [];
  let x = 0;
  const bars = found.map((part) => {
    const width = 1000 * part.seconds / total, bar = svg("rect", { x, y: 0, width: Math.max(width - 1.5, 0.5), height: 12, fill: part.fill, opacity: part.opacity });
    x += width;
    return bar;
  });
  const rows = found.map((part) => el("li", {},
    svg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("rect", { width: 10, height: 10, fill: part.fill, opacity: part.opacity })),
    `${part.name} `, el("b", {}, duration(part.seconds)), ` ${share(100 * part.seconds / total)}`));
  return [
    el("div", { class: "split", "aria-hidden": "true" }, svg("svg", { viewBox: "0 0 1000 12", preserveAspectRatio: "none" }, ...bars)),
    el("ul", { class: "parts", "aria-label": "Where the time went" }, ...rows),
  ];
}

function foot() {
  const { run } = page;
  const rule = [run.rule && `rule ${run.rule}`, run.budget && `${figures(run.budget, 6)} seconds a training`].filter(Boolean).join(", ");
  byId("foot").replaceChildren(
    el("p", {}, "val_bpb is validation bits per byte: lower is better, whatever the vocabulary. A kept version was trained again under other seeds before it was believed. The band is one standard deviation between seeds about the incumbent: two of three single trainings of it fall within."),
    el("p", {}, [`Made ${clock(run.made)} by runner report`, rule].filter(Boolean).join("; "), "."),
    ...(run.note ? [el("p", {}, run.note)] : []),
  );
}
