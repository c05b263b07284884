// What the versions write after the same prompt: baseline and best side by side, then every kept one down the page.

const SHORT = 8; // so many versions are unfolded at once

const stories = {
  chosen: 0,

  start() {
    byId("prompt").addEventListener("change", (event) => {
      this.chosen = Number(event.target.value);
      this.show();
    });
    byId("ladder-box").open = this.numbers().length <= SHORT;
    byId("ladder-box").addEventListener("toggle", () => this.ladder());
    this.show();
  },

  numbers() {
    return Object.keys(page.samples).map(Number).filter((n) => page.trials[n]).sort((a, b) => a - b);
  },

  of(n) {
    const several = page.samples[n] || [];
    return several[Math.min(this.chosen, several.length - 1)];
  },

  show() {
    const numbers = this.numbers();
    byId("stories").hidden = !numbers.length;
    if (!numbers.length) return;
    this.choose(page.samples[numbers.at(-1)]);
    const first = numbers[0], last = numbers.at(-1);
    byId("pair").replaceChildren(...[...new Set([first, last])].map((n) => this.story(n, n === last && n !== first)));
    byId("ladder-box").hidden = numbers.length < 2;
    this.ladder();
  },

  choose(several) {
    byId("prompts").hidden = several.length < 2;
    const options = several.map((one, i) => el("option", { value: i, selected: i === this.chosen }, one.prompt || `prompt ${i + 1}`));
    byId("prompt").replaceChildren(...options);
  },

  story(n, best) {
    const trial = page.trials[n], { baseline } = page.run;
    // The best's value as it stands now, as in the headline: it was trained again since it was kept.
    const value = n === page.run.best_trial ? page.run.best : trial.bpb;
    const less = best && baseline && value < baseline ? `${share(100 * (baseline - value) / baseline)} lower` : "";
    return el("figure", { class: best ? "story best" : "story" },
      el("figcaption", {}, el("b", {}, n === 0 ? "Baseline" : best ? "Best" : "First"), n ? openButton(n, `trial ${n}`) : null,
        el("span", {}, bpb(value)), less ? el("span", {}, less) : null),
      prose(this.of(n)));
  },

  ladder() {
    if (!byId("ladder-box").open) return;
    byId("ladder").replaceChildren(...this.numbers().map((n) => {
      const trial = page.trials[n];
      return el("li", { class: "rung" },
        el("header", {}, el("b", {}, n === 0 ? "Baseline" : openButton(n, `Trial ${n}`)), el("span", {}, bpb(trial.bpb)), n ? el("span", {}, trial.note) : null),
        prose(this.of(n)));
    }));
  },
};

/** A sample; the prompt apart from what the model wrote. */
function prose(sample) {
  if (!sample) return el("p", { class: "soft" }, "No sample after this prompt.");
  const { prompt, text } = sample;
  if (!prompt) return el("p", { class: "text" }, text);
  const rest = text.startsWith(prompt) ? text.slice(prompt.length) : ` ${text}`;
  return el("p", { class: "text" }, el("span", { class: "prompt" }, prompt), rest);
}
