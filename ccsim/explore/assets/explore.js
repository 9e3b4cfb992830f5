// The page: a state (text and overrides) in the address, a picture of it, and what it cost.

const GRIP = 6; // pixels beside a swap's line that grasp it
const $ = (id) => document.getElementById(id);

/** All that the page is looking at. The state is in the address, so any state is a URL. */
class Explorer {
  constructor() {
    this.token = new URLSearchParams(location.search).get("token") || "";
    this.pinned = null;
    this.running = false;
    this.wanted = false;
    this.shown = null;
    $("apply").addEventListener("click", () => this.use($("yaml").value, {}));
    $("reset").addEventListener("click", () => this.use(this.first.text, this.first.set));
    $("figure").addEventListener("click", () => this.figure());
    $("keep").addEventListener("click", () => this.keep());
    $("pin").addEventListener("click", () => this.pin());
    $("stored").addEventListener("change", (event) => this.open(event.target.value));
    $("knobs").addEventListener("submit", (event) => event.preventDefault());
    window.addEventListener("hashchange", () => this.fromAddress() && this.refresh());
    addEventListener("pointerdown", (event) => this.grasp(event), true);
    addEventListener("pointermove", (event) => this.hover(event), true);
  }

  async begin() {
    this.first = await this.ask("start");
    if (!this.fromAddress()) Object.assign(this, { text: this.first.text, set: this.first.set });
    await this.refresh();
    this.list((await this.ask("runs")).runs);
  }

  /** Take the state from the address; whether there is another one in it. */
  fromAddress() {
    if (location.hash.length < 2 || location.hash === this.address) return false;
    const found = new URLSearchParams(location.hash.slice(1));
    this.text = found.get("text") || this.first.text;
    found.delete("text");
    this.set = Object.fromEntries(found);
    return true;
  }
  toAddress() {
    const words = new URLSearchParams(this.set);
    if (this.text !== this.first.text) words.set("text", this.text);
    this.address = `#${words}`;
    history.replaceState(null, "", `${location.pathname}${location.search}${this.address}`);
  }

  async ask(action, body = {}, kind = "json") {
    const answer = await fetch(action, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Token": this.token },
      body: JSON.stringify(body),
    });
    if (answer.ok) return answer[kind]();
    const told = await answer.text();
    let problems = [told];
    try { problems = JSON.parse(told).problems; } catch { /* a plain sentence */ }
    throw new Error(problems.join("\n"));
  }
  state() { return { text: this.text, set: this.set }; }

  use(text, set) {
    this.text = text;
    this.set = { ...set };
    this.refresh();
  }
  turn(key, value) {
    this.set[key] = value;
    this.refresh();
  }

  /** Simulate the newest state; while that goes on, those in between are left out. */
  async refresh() {
    this.wanted = true;
    if (this.running) return;
    this.running = true;
    $("middle").classList.add("busy");
    while (this.wanted) {
      this.wanted = false;
      const began = performance.now();
      await this.try(async () => {
        this.show(await this.ask("simulate", this.state()));
        this.toAddress();
        this.say(`drawn in ${Math.round(performance.now() - began)} ms`);
      });
    }
    $("middle").classList.remove("busy");
    this.running = false;
  }
  async try(act) {
    try { await act(); } catch (error) { this.say(error.message, true); }
  }
  say(text, wrong = false) {
    $("said").textContent = text;
    $("said").classList.toggle("wrong", wrong);
  }

  show(told) {
    this.shown = told;
    $("name").textContent = told.name;
    if (told.knobs) this.knobs(told.knobs);
    if (told.yaml && document.activeElement !== $("yaml")) $("yaml").value = told.yaml;
    this.draw(told.traces);
    $("cost").innerHTML = [...told.sentences, ...told.tables].join("");
  }

  draw(data) {
    if (!data) { $("panels").replaceChildren(); return; }
    const before = this.traces;
    const whole = before && before.data.duration === data.duration;
    this.traces = new Traces(document.createElement("div"), this.beside(data));
    $("panels").replaceChildren(this.traces.root);
    if (whole) this.traces.view = before.view;
    if (before && before.on.length === this.traces.on.length) this.traces.on = before.on;
    this.traces.redraw();
    window.traces = this.traces;
  }

  /** The data, and of the run compared with its own lines. */
  beside(data) {
    if (!this.pinned) return data;
    const entry = data.legend.length;
    const legend = [...data.legend,
      { label: `compared: ${this.pinned.label}`, look: "c4", on: true, dash: "7 2" }];
    const panels = data.panels.map((panel) => {
      const same = this.pinned.data.panels.find((other) => other.title === panel.title);
      if (!same || same.unit !== panel.unit) return panel;
      const twins = this.pinned.twins;
      const own = same.series.filter((one) => !one.needs.some((k) => twins.has(k)));
      const theirs = own.map((one) => ({ ...one, look: "c4", dash: "7 2", needs: [entry],
        name: `${one.name}, compared` }));
      return { ...panel, series: [...panel.series, ...theirs] };
    });
    return { ...data, legend, panels };
  }
  pin() {
    const told = this.shown;
    if (this.pinned) this.pinned = null;
    else if (told && told.traces) {
      const twins = new Set(told.traces.legend.flatMap((entry, k) =>
        /^[AB]-twin|^ssthresh/.test(entry.label) ? [k] : []));
      this.pinned = { data: told.traces, label: told.name, twins };
    }
    $("pin").setAttribute("aria-pressed", Boolean(this.pinned));
    if (told) this.draw(told.traces);
  }

  // --- knobs ---------------------------------------------------------------------------------

  knobs(list) {
    const busy = document.activeElement && document.activeElement.dataset.key;
    const rows = list.map((knob) => this.knob(knob));
    if (this.dragging || (busy && this.sliding)) {
      for (const knob of list) this.follow(knob);
      return;
    }
    $("knobs").replaceChildren(...rows);
    if (busy) $("knobs").querySelector(`[data-key="${CSS.escape(busy)}"]`)?.focus();
  }
  follow(knob) {
    const input = $("knobs").querySelector(`[data-key="${CSS.escape(knob.key)}"]`);
    if (!input || input === document.activeElement || knob.kind !== "slider") return;
    input.value = scaleOf(knob).to(knob.value);
    input.dispatchEvent(new Event("shown"));
  }
  knob(knob) {
    const label = html("label", "", knob.label);
    const input = document.createElement(knob.kind === "choice" ? "select" : "input");
    input.dataset.key = knob.key;
    label.append(input);
    if (knob.kind === "choice") {
      for (const choice of knob.choices) input.append(new Option(choice, choice));
      input.value = knob.value;
      input.addEventListener("change", () => this.turn(knob.key, input.value));
      return label;
    }
    const scale = scaleOf(knob);
    const out = html("output", "", "");
    input.before(out);
    Object.assign(input, { type: "range", min: 0, max: scale.steps, step: 1 });
    input.value = scale.to(knob.value);
    const tell = () => { out.textContent = scale.text(scale.from(input.value)); };
    out.textContent = scale.text(knob.value);
    input.addEventListener("shown", tell);
    input.addEventListener("input", () => {
      tell();
      this.sliding = true;
      this.turn(knob.key, scale.text(scale.from(input.value)));
    });
    input.addEventListener("change", () => { this.sliding = false; });
    return label;
  }

  // --- the swap's line -----------------------------------------------------------------------

  /** The knob of the swap whose line is at the pointer; nothing is dragged of stored runs. */
  grip(event) {
    const { traces, shown } = this;
    if (!traces || !shown || !shown.knobs || !traces.stage.contains(event.target)) return null;
    const x = event.clientX - traces.stage.getBoundingClientRect().left;
    const instants = shown.knobs.filter((knob) => knob.instant);
    return instants.find((knob) => Math.abs(traces.x(knob.value) - x) <= GRIP) || null;
  }
  hover(event) {
    if (this.traces && !this.dragging) {
      this.traces.stage.classList.toggle("at-swap", Boolean(this.grip(event)));
    }
  }
  grasp(event) {
    const knob = event.button === 0 && !event.shiftKey ? this.grip(event) : null;
    if (!knob) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    this.dragging = true;
    const move = (now) => {
      now.stopImmediatePropagation();
      const x = now.clientX - this.traces.stage.getBoundingClientRect().left;
      const scale = scaleOf(knob);
      const at = Math.min(Math.max(this.traces.time(x), knob.low), knob.high);
      this.turn(knob.key, scale.text(scale.from(scale.to(at))));
    };
    const drop = (now) => {
      now.stopImmediatePropagation();
      this.dragging = false;
      removeEventListener("pointermove", move, true);
      removeEventListener("pointerup", drop, true);
      removeEventListener("pointercancel", drop, true);
    };
    addEventListener("pointermove", move, true);
    addEventListener("pointerup", drop, true);
    addEventListener("pointercancel", drop, true);
  }

  // --- what is kept --------------------------------------------------------------------------

  async figure() {
    await this.try(async () => {
      const image = await this.ask("figure", { ...this.state(), format: "pdf" }, "blob");
      const link = document.createElement("a");
      link.href = URL.createObjectURL(image);
      link.download = `${this.shown.name}.pdf`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }
  async keep() {
    await this.try(async () => {
      const { folder, runs } = await this.ask("keep", this.state());
      this.list(runs);
      this.say(`kept in ${folder}`);
    });
  }
  list(runs) {
    this.kinds = Object.fromEntries(runs.map((one) => [one.name, one.kind]));
    $("stored").replaceChildren(new Option("–", ""), ...runs.map((one) =>
      new Option(one.kind === "study" ? `${one.name} (study)` : one.name, one.name)));
  }
  async open(name) {
    if (!name) { this.refresh(); return; }
    if (this.kinds[name] === "study") {
      window.open(`study?${new URLSearchParams({ name, token: this.token })}`, "_blank", "noopener");
      return;
    }
    await this.try(async () => {
      this.show(await this.ask("open", { name }));
      this.say("a stored run: turning a knob goes back to the scenario");
    });
  }
}

/** How a slider's steps are values, and how those are written with their unit. */
function scaleOf(knob) {
  const steps = knob.whole ? knob.high - knob.low : 400;
  const log = knob.log && knob.low > 0;
  const to = (value) => Math.round(steps * (log
    ? Math.log(value / knob.low) / Math.log(knob.high / knob.low)
    : (value - knob.low) / (knob.high - knob.low)));
  const from = (step) => log
    ? knob.low * (knob.high / knob.low) ** (step / steps)
    : knob.low + (knob.high - knob.low) * step / steps;
  const text = (value) => {
    const digits = knob.whole ? 0 : value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
    return `${Number(value.toFixed(digits))}${knob.unit ? ` ${knob.unit}` : ""}`;
  };
  return { steps, to, from, text };
}

window.explorer = new Explorer();
window.explorer.begin().catch((error) => window.explorer.say(error.message, true));
