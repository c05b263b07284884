// News while trials run, for a page that is served: asks its own server every two seconds, only while it is looked at.

const live = {
  every: 2000,
  etag: null,
  waits: 0,

  start() {
    this.show();
    if (document.body.dataset.served !== "yes") return;
    document.addEventListener("visibilitychange", () => !document.hidden && this.ask());
    this.ask();
  },

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => document.hidden ? this.later() : this.ask(), Math.min(this.every * 2 ** this.waits, 30000));
  },

  async ask() {
    clearTimeout(this.timer);
    try {
      const answer = await fetch(`data.json?after=${page.trials.length}`, { headers: this.etag ? { "If-None-Match": this.etag } : {}, cache: "no-store" });
      if (answer.status === 200) {
        this.take(await answer.json());
        this.etag = answer.headers.get("ETag");
      } else if (answer.status !== 304) {
        throw new Error(String(answer.status));
      }
      if (this.waits) this.show();
      this.waits = 0;
    } catch {
      this.waits = Math.min(this.waits + 1, 4);
      byId("live").hidden = false;
      byId("live").replaceChildren("The server does not answer. What is shown may be old; this page keeps asking.");
    }
    this.later();
  },

  take(news) {
    const before = page.trials.length;
    if (news.run.created !== page.run.created) return location.reload(); // another run under this tag
    page.run = news.run;
    const samples = JSON.stringify(news.samples) !== JSON.stringify(page.samples);
    page.samples = news.samples;
    for (const trial of news.trials) if (trial.n === page.trials.length) page.trials.push(trial);
    this.show();
    foot();
    facts();
    if (page.trials.length === before && !samples) return undefined;
    headline();
    stairs.renew();
    stories.show();
    table.choices();
    table.show();
    const last = page.trials.at(-1);
    if (page.trials.length > before) say(`Trial ${last.n} ${said(last)}${last.bpb === undefined ? "" : `, ${bpb(last.bpb)}`}.`);
    return undefined;
  },

  show() {
    const { current, made } = page.run, place = byId("live");
    place.hidden = !current;
    if (!current) return;
    const served = document.body.dataset.served === "yes";
    const slots = current.slots || [];
    const head = [served ? "Under way" : `Under way when this page was made (${clock(made)})`];
    const next = slots.length && current.phase === "training" ? { number: current.number, phase: "is decided next" } : current;
    place.replaceChildren(...[...head.map((part) => el("span", {}, part)), ...training(next)]);
    if (slots.length) {
      const rows = slots.map((slot) => el("li", {}, el("b", {}, slot.slot), ...training(slot)));
      place.append(el("ul", { class: "slots", "aria-label": "What trains on each device" }, ...rows));
    }
  },
};

/** What is known of one training under way, piece by piece. */
function training(one) {
  const known = (value) => value !== undefined && value !== null;
  const parts = [known(one.number) && trialName(one.number), one.phase, one.note, known(one.loss) && `loss ${figures(one.loss, 4)}`];
  const words = parts.filter(Boolean).map((part) => el("span", {}, part));
  if (one.budget_seconds && known(one.seconds)) {
    words.push(el("progress", { value: Math.min(one.seconds, one.budget_seconds), max: one.budget_seconds, "aria-label": `Budget of ${known(one.number) ? trialName(one.number) : "this training"}` }),
      el("span", {}, `${Math.round(one.seconds)} of ${Math.round(one.budget_seconds)} s`));
  }
  return words;
}
