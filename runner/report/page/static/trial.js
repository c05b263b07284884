// One trial whole, in a dialog: hypothesis, verdict, each rerun's score, diff, curve, log, sample. `#trial-7` opens it.

const ROLES = { candidate: "proposal", afresh: "proposal, scored afresh", incumbent: "the incumbent again" };
const box = byId("trial");

function openTrial(n) {
  const trial = page.trials[n];
  if (!trial) return;
  box.replaceChildren(whole(trial));
  if (!box.open) box.showModal();
  box.scrollTop = 0;
  const place = box.querySelector(".curve");
  if (place) curves.draw(place, trial.curves, trial.attempts);
  history.replaceState(null, "", `#trial-${n}`);
}

function startTrials() {
  box.addEventListener("close", () => {
    curves.charts = [];
    history.replaceState(null, "", location.pathname + location.search);
  });
  box.addEventListener("click", (event) => event.target === box && box.close());
  box.addEventListener("keydown", (event) => {
    const n = Number(box.firstElementChild?.dataset.n), inText = event.target.closest("pre, .scroll");
    if (event.altKey || event.ctrlKey || event.metaKey || inText) return;
    if (event.key === "ArrowLeft" && n > 0) turn(n - 1);
    if (event.key === "ArrowRight" && n < page.trials.length - 1) turn(n + 1);
  });
  const named = () => {
    const found = /^#trial-(\d+)$/.exec(location.hash);
    if (found) openTrial(Number(found[1]));
  };
  addEventListener("hashchange", named);
  named();
}

/** Go to a neighbour; the focus stays on the button that was pressed, or goes to one that can be. */
function turn(n) {
  const pressed = document.activeElement?.dataset.turn;
  openTrial(n);
  const wanted = pressed && box.querySelector(`[data-turn="${pressed}"]:not(:disabled)`);
  (wanted || box.querySelector("[data-turn=close]")).focus();
}

function whole(trial) {
  const { n } = trial, last = page.trials.length - 1;
  const button = (name, words, act, off) => el("button", { type: "button", class: "quiet", "data-turn": name, disabled: off, on: { click: act } }, words);
  const score = trial.bpb === undefined ? "" : ` ${bpb(trial.bpb)}`;
  const made = el("div", { class: "inside" },
    el("div", { class: "bar" },
      el("h2", { id: "trial-title", tabindex: -1, autofocus: true }, n === 0 ? "Baseline" : `Trial ${n}`, el("span", { class: `verdict ${trial.status}` }, said(trial) + score)),
      button("back", "Previous", () => turn(n - 1), n === 0), button("on", "Next", () => turn(n + 1), n === last), button("close", "Close", () => box.close())),
    el("p", { class: "hypothesis" }, trial.note || "no note"),
    trial.why ? el("p", { class: "why" }, trial.why) : null,
    trial.suspicious ? el("p", { class: "why" }, `Set aside as suspicious: ${trial.suspicious}`) : null,
    ...scores(trial), ...changeOf(trial), ...sampleOf(n), ...curveOf(trial), ...logOf(trial), ...keys(trial));
  made.dataset.n = String(n);
  return made;
}

const heading = (words) => el("h3", {}, words);

function scores(trial) {
  const some = trial.attempts.some((one) => one.detail), memory = trial.attempts.some((one) => one.vram) ? "vram" : "memory";
  const heads = [["Score", "num"], ["Of", ""], ["Seed", "num"], ["Trained", "num"], ["In all", "num"], [memory === "vram" ? "GPU memory" : "Memory", "num"], ...(some ? [["Ending", ""]] : [])];
  const rows = trial.attempts.map((one) => el("tr", {},
    el("td", { class: "num" }, one.bpb === undefined ? one.ending : bpb(one.bpb)), el("td", {}, ROLES[one.role] || one.role), el("td", { class: "num" }, String(one.seed)),
    el("td", { class: "num" }, duration(one.train)), el("td", { class: "num" }, duration(one.wall)), el("td", { class: "num" }, one[memory] ? megabytes(one[memory]) : NONE),
    some ? el("td", { class: "wrap" }, one.detail || "") : null));
  return [
    heading(trial.attempts.length === 1 ? "One training" : `${trial.attempts.length} trainings`), strip(trial),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Trainings" }, el("table", {}, el("thead", {}, el("tr", {}, ...heads.map(([name, kind]) => el("th", { scope: "col", class: kind }, name)))), el("tbody", {}, ...rows))),
  ];
}

/** Every training's score on one line, with the incumbent and the noise about it. */
function strip(trial) {
  const points = trial.attempts.filter((one) => one.bpb !== undefined);
  const centre = trial.against ?? trial.bpb, noise = trial.sigma ?? 0;
  if (!points.length || centre === undefined) return null;
  const values = [...points.map((one) => one.bpb), centre - noise, centre + noise];
  const low = Math.min(...values), span = Math.max(...values) - low || Math.abs(low) * 0.01 || 1;
  const x = (value) => 20 + 660 * (value - low) / span, y = 24;
  const parts = [];
  if (noise) parts.push(svg("rect", { x: x(centre - noise), y: y - 12, width: x(centre + noise) - x(centre - noise), height: 24, fill: "var(--wash)" }));
  parts.push(svg("line", { x1: 0, x2: 700, y1: y, y2: y, stroke: "var(--line)" }));
  parts.push(svg("line", { x1: x(centre), x2: x(centre), y1: y - 15, y2: y + 15, stroke: "var(--soft)", "stroke-width": 1.4 }));
  for (const one of points) {
    parts.push(svg("circle", { cx: x(one.bpb), cy: y, r: one.role === "incumbent" ? 4 : 5.5, fill: one.role === "incumbent" ? "var(--mark)" : "var(--accent)", stroke: "var(--paper)", "stroke-width": 1.5 }));
  }
  const at = x(centre), anchor = at > 560 ? "end" : at < 140 ? "start" : "middle";
  const name = trial.against === undefined ? `mean ${bpb(centre)}` : `incumbent ${bpb(centre)}`;
  parts.push(svg("text", { x: at, y: y + 30, "text-anchor": anchor }, noise ? `${name} \u00b1 ${bpb(noise)}` : name));
  const heard = `Scores ${points.map((one) => `${bpb(one.bpb)}${one.role === "incumbent" ? " of the incumbent" : ""}`).join(", ")}; ${name}${noise ? `, noise ${bpb(noise)}` : ""}.`;
  return svg("svg", { class: "strip", viewBox: "0 0 700 60", role: "img", "aria-label": heard }, ...parts);
}

function block(label, lines, kind = () => "") {
  return el("pre", { tabindex: 0, role: "region", "aria-label": label }, ...lines.map((line) => el("span", { class: kind(line) }, line || " ")));
}

function changeOf(trial) {
  if (trial.no_diff) return [heading("Change"), el("p", { class: "soft" }, "git could not be asked for the difference.")];
  if (!trial.diff) return trial.n === 0 || trial.cut ? [] : [heading("Change"), el("p", { class: "soft" }, "No change to train.py.")];
  const kind = (line) => ({ "+": "add", "-": "del", "@": "hunk" })[line[0]] || "";
  const cut = trial.cut ? el("p", { class: "soft" }, `${trial.cut} more lines or longer: runner diff ${trial.n} ${page.run.tag}`) : null;
  return [heading("Change to train.py"), block("Change to train.py", trial.diff.split("\n"), kind), cut];
}

const sampleOf = (n) => (page.samples[n] || []).flatMap((one) => [heading(one.prompt ? `Sample after \u201c${one.prompt}\u201d` : "Sample"), prose(one)]);

function curveOf(trial) {
  if (!trial.curves) return [];
  const last = trial.curves.findLast((one) => one);
  const rates = (trial.curves.findLast((one) => one && one.lr) || {}).lr || [], rate = rates.findLast((one) => one !== null);
  const least = rate === undefined ? "" : `; learning rate at last ${figures(rate)}, at most ${figures(Math.max(...rates))}`;
  const words = `Training loss over ${count(last.x.at(-1))} steps, from ${figures(last.y[0], 4)} to ${figures(last.y.at(-1), 4)}${least}`;
  const dashed = rate === undefined ? "" : ` Dashed: the learning rate, at last ${figures(rate)}.`;
  return [heading("Training loss"), el("div", { class: "curve", role: "img", "aria-label": words }), el("p", { class: "soft" }, `As the program itself reported it, by step.${dashed} No verdict rests on it.`)];
}

function logOf(trial) {
  return trial.log ? [heading("End of the log"), block("End of the log", trial.log.split("\n")), el("p", { class: "soft" }, trial.log_name)] : [];
}

function keys(trial) {
  const pairs = Object.entries(trial.numbers || {}).map(([key, value]) => `${key.replaceAll("_", " ")} ${figures(value, 5)}`).join(", ");
  const times = Object.entries(trial.times || {}).map(([key, value]) => `${key} ${duration(value)}`).join(", ");
  const cost = [trial.usd === undefined ? "" : `$${figures(trial.usd)}`, trial.tokens_in === undefined ? "" : `${count(trial.tokens_in)} tokens read`,
    trial.tokens_out === undefined ? "" : `${count(trial.tokens_out)} written`].filter(Boolean).join(", ");
  const first = trial.attempts.find((one) => one.audited);
  const rows = [
    ["decided", clock(trial.time)], ["proposed by", trial.agent], ["model", trial.model || ""], ["cost", cost],
    ["time", times], ["decision", pairs], ["audit", first ? `${count(first.audited)} positions, ${count(first.disagree || 0)} in disagreement` : ""],
    ["commit", trial.parent ? `${trial.commit} on ${trial.parent}` : trial.commit], ["train.py", trial.digest],
  ].filter(([, value]) => value);
  return [heading("Record"), el("dl", { class: "keys" }, ...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]))];
}
