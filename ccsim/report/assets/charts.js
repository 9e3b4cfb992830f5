// The traces: panels of SVG over one time axis, whose view, hover line and legend they share.

const MARGIN = { left: 62, right: 14, top: 10, bottom: 6 };
const HEIGHT = 168, TIME_AXIS = 20, LABEL_ROW = 17, MARK_GAP = 12, BINS = 600;
const SVG = "http://www.w3.org/2000/svg";

function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function html(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** All that the panels share: data, the span in view [s], what is switched on, where one points. */
class Traces {
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.on = data.legend.map((entry) => entry.on);
    this.view = [0, data.duration];
    this.pointed = null;
    this.panels = data.panels.map((panel) => new Panel(this, panel));
    this.marks = new Marks(this, data.swaps);
    this.build();
    this.waiting = false;
  }

  build() {
    this.tools = new Tools(this);
    this.tip = html("div", "tip");
    this.tip.hidden = true;
    this.stage = html("div", "stage");
    this.stage.tabIndex = 0;
    this.stage.setAttribute("role", "group");
    this.stage.setAttribute("aria-label",
      "Traces over time. Arrow keys move, plus and minus zoom, 0 shows the whole run.");
    this.stage.append(this.marks.svg, ...this.panels.map((panel) => panel.box), this.tip);
    this.root.append(this.tools.legend, this.tools.bar, this.stage);
    addGestures(this);
    new ResizeObserver(() => this.redraw()).observe(this.stage);
    this.draw();
  }

  /** Look up how wide the stage is: once a drawing, since that makes the browser lay it out. */
  measure() {
    this.width = Math.max(this.stage.clientWidth, 260);
    this.columns = Math.max(this.width - MARGIN.left - MARGIN.right, 1);
  }
  x(t) {
    return MARGIN.left + (t - this.view[0]) / (this.view[1] - this.view[0]) * this.columns;
  }
  time(x) {
    return this.view[0] + (x - MARGIN.left) / this.columns * (this.view[1] - this.view[0]);
  }
  visible(item) { return item.needs.every((k) => this.on[k]); }

  /** Show [from, to], moved and cut such that it lies inside the run and is not too narrow. */
  show(from, to) {
    const whole = this.data.duration;
    const span = Math.min(Math.max(to - from, this.data.finest), whole);
    const start = Math.min(Math.max((from + to - span) / 2, 0), whole - span);
    this.view = [start, start + span];
    this.redraw();
  }
  zoom(factor, at = (this.view[0] + this.view[1]) / 2) {
    this.show(at - (at - this.view[0]) * factor, at + (this.view[1] - at) * factor);
  }
  pan(share) {
    const span = this.view[1] - this.view[0];
    const start = Math.min(Math.max(this.view[0] + share * span, 0), this.data.duration - span);
    this.show(start, start + span);
  }
  reset() { this.show(0, this.data.duration); }
  toggle(k) { this.on[k] = !this.on[k]; this.redraw(); }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.draw(); });
  }
  draw() {
    this.measure();
    this.marks.draw();
    this.panels.forEach((panel, k) => panel.draw(k === this.panels.length - 1));
    this.tools.draw();
    this.point(null);
  }

  /** Draw the line where one points, in all panels, and the values of the panel pointed at. */
  point(at) {
    this.pointed = at;
    const t = at && this.time(at.x);
    for (const panel of this.panels) panel.point(t);
    showTip(this, at, t);
  }
}

/** One pair of axes and its curves. */
class Panel {
  constructor(traces, data) {
    this.traces = traces;
    this.data = data;
    this.series = data.series.map((one) => ({
      ...one,
      times: decodeTimes(one.t),
      ...Object.fromEntries(["values", "low", "high"].filter((key) => one[key])
        .map((key) => [key, decodeValues(one[key], one.size)])),
    }));
    this.rugs = data.rugs.map((rug) => ({ ...rug, times: decodeTimes(rug.t) }));
    this.box = html("div", "panel");
    this.note = html("span", "note");
    const title = html("div", "panel-title", data.title);
    title.append(html("span", "unit", ` (${data.unit})`), this.note);
    this.svg = svg("svg", { role: "img", "aria-label": `${data.title} in ${data.unit} over time` });
    this.box.append(title, this.svg);
  }

  /** The shown part of each visible series: its columns, and the rows in view and one beside. */
  parts() {
    const [from, to] = this.traces.view;
    const width = this.binWidth();
    return this.series.filter((one) => this.traces.visible(one)).map((one) => {
      const line = width && !one.steps ? rebin(one.times, one.values, width) : one;
      const first = Math.max(above(line.times, from) - 1, 0);
      const last = Math.min(above(line.times, to) + 1, line.values.length);
      return { one, ...line, times: line.times, values: line.values, first, last };
    });
  }

  /** The width of the bins of a rate [s], such that not too many are in view; 0 for other lines. */
  binWidth() {
    if (this.data.kind !== "rate") return 0;
    const [from, to] = this.traces.view;
    const most = Math.min(BINS, this.traces.columns / 1.5);
    const factors = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
    return this.data.bin * (factors.find((k) => (to - from) / (k * this.data.bin) <= most) || 2000);
  }

  range(parts) {
    let low = Infinity, high = -Infinity;
    for (const part of parts) {
      for (const column of [part.values, part.one.low, part.one.high]) {
        for (let k = part.first; column && k < part.last; k++) {
          if (column[k] < low) low = column[k];
          if (column[k] > high) high = column[k];
        }
      }
    }
    if (high < low) [low, high] = [0, 0];
    const near = this.data.limits.filter((limit) => high >= this.data.share * limit.y);
    for (const limit of near) high = Math.max(high, limit.y);
    if (this.data.log) return high > 0 ? logRange(low, high) : [1, 10];
    return this.data.floor ? this.aboveFloor(low, high) : [0, high > 0 ? high * 1.08 : 1];
  }
  aboveFloor(low, high) {
    for (const limit of this.data.limits) low = Math.min(low, limit.y);
    const span = Math.max(high - low, 0.1 * high) || 1;
    return [low < 0.3 * high ? 0 : low - 0.12 * span, low + 1.08 * span];
  }

  draw(isLast) {
    const { traces } = this;
    const height = HEIGHT + (isLast ? TIME_AXIS : 0);
    const parts = (this.shownParts = this.parts());
    const [low, high] = this.range(parts);
    const bottom = HEIGHT - MARGIN.bottom;
    const at = this.data.log ? Math.log : (v) => v;
    this.y = (v) => bottom - (at(v) - at(low)) / (at(high) - at(low)) * (bottom - MARGIN.top);
    this.svg.setAttribute("width", traces.width);
    this.svg.setAttribute("height", height);
    this.svg.setAttribute("viewBox", `0 0 ${traces.width} ${height}`);
    this.cross = svg("line", { class: "cross", y1: MARGIN.top, y2: bottom });
    this.dots = svg("g", {});
    this.svg.replaceChildren(
      ...this.grid(low, high), ...this.timeAxis(isLast, bottom), ...traces.marks.lines(bottom),
      this.clipped(parts, bottom), ...this.limits(high), this.cross, this.dots);
    this.note.textContent = this.noteText(high);
  }

  grid(low, high) {
    const { width } = this.traces;
    const found = this.data.log ? logTicks(low, high) : ticks(low, high, 5, this.data.whole);
    const digits = this.data.log ? null : decimals(found[1] - found[0] || 1);
    return found.flatMap((v) => {
      const y = this.y(v).toFixed(1);
      const text = svg("text", { class: "tick", x: MARGIN.left - 7, y, dy: "0.32em",
        "text-anchor": "end" }, digits === null ? shown(v) : v.toFixed(digits));
      return [svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y,
        y2: y }), text];
    });
  }

  timeAxis(isLast, bottom) {
    const { traces } = this;
    const found = ticks(...traces.view, Math.max(traces.columns / 90, 2));
    const digits = decimals(found[1] - found[0] || 1);
    const axis = svg("line", { class: "axis", x1: MARGIN.left, x2: traces.width - MARGIN.right,
      y1: bottom, y2: bottom });
    return [axis, ...found.flatMap((t, k) => {
      const x = traces.x(t).toFixed(1);
      const tick = svg("line", { class: "axis", x1: x, x2: x, y1: bottom, y2: bottom + 4 });
      if (!isLast) return [tick];
      const text = t.toFixed(digits) + (k === found.length - 1 ? " s" : "");
      return [tick, svg("text", { class: "tick", x, y: bottom + 16, "text-anchor": "middle" },
        text)];
    })];
  }

  clipped(parts, bottom) {
    const { traces } = this;
    const id = `clip-${this.data.id}`;
    const rect = svg("rect", { x: MARGIN.left, y: MARGIN.top - 2, width: traces.columns,
      height: bottom - MARGIN.top + 3 });
    const group = svg("g", { "clip-path": `url(#${id})` }, svg("clipPath", { id }, rect));
    // the first of the list is the run's own: on top
    for (const part of [...parts].reverse()) group.append(...this.curve(part));
    for (const rug of this.rugs) if (traces.visible(rug)) group.append(this.rug(rug));
    return group;
  }

  curve(part) {
    const { traces } = this;
    const x = (t) => traces.x(t), y = (v) => this.y(v);
    const { one, first, last } = part;
    if (one.dots) return [this.scatter(part)];
    const path = pathOf(part.times, part.values, first, last, x, y, traces.columns);
    const line = svg("path", { class: `line ${one.look}`, d: path });
    if (one.dash) line.setAttribute("stroke-dasharray", one.dash);
    if (!one.low) return [line];
    return [svg("path", { class: `band ${one.look}`, d: this.band(part) }), line];
  }

  /** A dot for each value in view. */
  scatter({ one, times, values, first, last }) {
    const out = [];
    for (let k = first; k < last; k++) {
      if (Number.isFinite(values[k])) {
        out.push(`M${pixel(this.traces.x(times[k]))} ${pixel(this.y(values[k]))}h0`);
      }
    }
    return svg("path", { class: `scatter ${one.look}`, d: out.join("") });
  }

  /** The area between low and high: a patch between each two rows, so that gaps stay gaps. */
  band({ one, times, first, last }) {
    const { traces } = this;
    const out = [];
    let start = first;
    for (let k = first; k <= last; k++) {
      if (k < last && !Number.isNaN(one.low[k])) continue;
      const rows = Array.from({ length: k - start }, (_, n) => start + n);
      const at = (row, column) =>
        `${traces.x(times[row]).toFixed(1)} ${this.y(column[row]).toFixed(1)}`;
      if (rows.length > 1) {
        const there = rows.map((row) => at(row, one.high));
        out.push("M", [...there, ...rows.reverse().map((row) => at(row, one.low))].join("L"), "Z");
      }
      start = k + 1;
    }
    return out.join("");
  }

  rug(rug) {
    const { traces } = this;
    const [from, to] = traces.view;
    const out = [];
    let last = -1;
    for (let k = above(rug.times, from - 1e-9); k < rug.times.length && rug.times[k] <= to; k++) {
      const x = Math.round(traces.x(rug.times[k]));
      if (x !== last) out.push(`M${x + 0.5} ${MARGIN.top - 2}v8`);
      last = x;
    }
    return svg("path", { class: `line rug ${rug.look}`, d: out.join("") });
  }

  limits(high) {
    const { width } = this.traces;
    return this.data.limits.filter((limit) => limit.y <= high).map((limit) => {
      const y = this.y(limit.y).toFixed(1);
      return svg("line", { class: "limit", x1: MARGIN.left, x2: width - MARGIN.right, y1: y,
        y2: y });
    });
  }

  /** What is said beside the title: how values were made, and what the dotted lines are. */
  noteText(high) {
    const bin = this.binWidth();
    const said = [this.data.note, bin ? `in bins of ${shown(bin * 1e3)} ms` : ""];
    for (const limit of this.data.limits) {
      said.push(limit.y <= high ? `dotted: ${limit.text}` : `${limit.text}: beyond the scale`);
    }
    return said.filter((part) => part).join(" · ");
  }

  /** The value of each visible series at a time: of the last row at or before it. */
  valuesAt(t) {
    return (this.shownParts || []).filter((part) => !part.one.dots).flatMap((part) => {
      let row = above(part.times, t) - 1;
      if (this.data.kind === "rate") row = nearest(part.times, t);
      const ends = part.times[part.times.length - 1] + 2 * this.traces.data.finest;
      const value = row >= 0 && (t <= ends || this.data.kind === "rate") ? part.values[row] : NaN;
      return Number.isFinite(value) ? [{ one: part.one, t: part.times[row], value }] : [];
    });
  }

  point(t) {
    const inside = t !== null && t >= this.traces.view[0] && t <= this.traces.view[1];
    this.cross.classList.toggle("on", inside);
    this.dots.replaceChildren();
    if (!inside) return;
    this.cross.setAttribute("x1", this.traces.x(t));
    this.cross.setAttribute("x2", this.traces.x(t));
    for (const { one, t: at, value } of this.valuesAt(t)) {
      this.dots.append(svg("circle", { class: `dot ${one.look}`, r: 3, cx: this.traces.x(at),
        cy: this.y(value) }));
    }
  }
}

/** The row whose time is nearest. */
function nearest(times, t) {
  const row = above(times, t);
  if (row === 0) return times.length ? 0 : -1;
  return row < times.length && times[row] - t < t - times[row - 1] ? row : row - 1;
}
