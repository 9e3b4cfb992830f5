// Beside the panels: marks of swaps, legend, buttons, and the box with what one points at.

/** The swaps: their names in rows above the first panel, their lines in every panel. */
class Marks {
  constructor(traces, swaps) {
    this.traces = traces;
    this.swaps = swaps.map((swap) => ({ ...swap, times: Float64Array.from(swap.t) }));
    this.svg = svg("svg", { class: "marks", role: "img",
      "aria-label": "Swaps: " + (swaps.map((s) => `${s.label} at ${s.t[0]} s`).join("; ") || "none")
    });
  }

  inView(swap) {
    const [from, to] = this.traces.view;
    return Array.from(swap.times).filter((t) => t >= from && t <= to);
  }

  /** The lines for one panel; of many that stand close only the ends, over a shaded span. */
  lines(bottom) {
    const { traces } = this;
    return this.swaps.flatMap((swap) => {
      const times = this.inView(swap);
      const out = [];
      if (times.length > 1) {
        const x = traces.x(times[0]);
        out.push(svg("rect", { class: "span", x, y: MARGIN.top - 2, height: bottom - MARGIN.top,
          width: traces.x(times[times.length - 1]) - x }));
      }
      const xs = times.map((t) => traces.x(t));
      const dense = xs[xs.length - 1] - xs[0] < MARK_GAP * (xs.length - 1);
      for (const x of dense ? [xs[0], xs[xs.length - 1]] : xs) {
        out.push(svg("line", { class: swap.failed ? "mark failed" : "mark", x1: x, x2: x,
          y1: MARGIN.top - 10, y2: bottom }));
      }
      return out;
    });
  }

  /** Name the swaps in view, from the last to the first: so no line runs through a later name. */
  draw() {
    const { traces } = this;
    const starts = [], labels = [];
    let hidden = 0;
    for (const swap of [...this.swaps].sort((a, b) => b.times[0] - a.times[0])) {
      const times = this.inView(swap);
      if (!times.length) continue;
      const x = traces.x(times[0]);
      const text = svg("text", { class: "mark-text" }, svg("tspan", { class: "name" }, swap.label),
        svg("tspan", { class: "how" }, ` ${swap.how}`));
      text.append(svg("title", {}, `${swap.label}, ${swap.how}, at ${swap.t[0]} s`));
      const width = 6.6 * (swap.label.length + swap.how.length + 1);
      const left = Math.max(0, Math.min(x - 3, traces.width - width));
      let row = starts.findIndex((start) => left + width + 8 < start);
      if (row < 0) row = starts.length;
      if (row > 3) { hidden++; continue; }
      starts[row] = left;
      labels.push({ text, left, x, row, failed: swap.failed });
    }
    this.place(labels, starts.length, hidden);
  }

  /** Put the names into their rows: the first row is the one closest to the panels. */
  place(labels, rows, hidden) {
    const height = Math.max(rows, 1) * LABEL_ROW + (hidden ? LABEL_ROW : 0);
    this.svg.setAttribute("width", this.traces.width);
    this.svg.setAttribute("height", height);
    this.svg.setAttribute("viewBox", `0 0 ${this.traces.width} ${height}`);
    this.svg.replaceChildren();
    for (const { text, left, x, row, failed } of labels) {
      const y = height - row * LABEL_ROW - 5;
      text.setAttribute("x", left);
      text.setAttribute("y", y);
      this.svg.append(svg("line", { class: failed ? "mark failed" : "mark", x1: x, x2: x,
        y1: y + 3, y2: height }), text);
    }
    if (!hidden) return;
    this.svg.append(svg("text", { class: "mark-text how", x: MARGIN.left, y: 12 },
      `… and ${hidden} more: zoom in`));
  }
}

/** The legend, whose entries switch lines on and off, and the buttons that move the view. */
class Tools {
  constructor(traces) {
    this.traces = traces;
    this.legend = html("div", "legend");
    this.legend.setAttribute("role", "group");
    this.legend.setAttribute("aria-label", "Lines shown");
    this.entries = traces.data.legend.map((entry, k) => this.entry(entry, k));
    this.bar = html("div", "bar");
    this.range = html("output", "range");
    const button = (label, title, act) => {
      const made = html("button", "", label);
      made.type = "button";
      made.title = title;
      made.addEventListener("click", act);
      this.bar.append(made);
    };
    button("−", "Zoom out (key −)", () => traces.zoom(2));
    button("+", "Zoom in (key +)", () => traces.zoom(0.5));
    button("◀", "Earlier (key ←)", () => traces.pan(-0.25));
    button("▶", "Later (key →)", () => traces.pan(0.25));
    button("Whole run", "All of it (key 0)", () => traces.reset());
    for (const swap of traces.data.swaps.slice(0, 4)) {
      button(`At ${Number(swap.t[0].toFixed(3))} s`, `${swap.label}, ${swap.how}: 2 s before to 10 s after`,
        () => traces.show(swap.t[0] - 2, swap.t[0] + 10));
    }
    this.bar.append(this.range, html("span", "hint",
      "drag: zoom · Shift+drag: move · Ctrl+wheel: zoom · double click: whole run"));
  }

  entry(entry, k) {
    const made = html("button", "entry");
    made.type = "button";
    const swatch = svg("svg", { width: 26, height: 10, "aria-hidden": "true" });
    const path = entry.tick ? "M13 1V9" : "M1 5H25";
    const line = svg("path", { class: `line ${entry.look}`, d: path });
    if (entry.dash) line.setAttribute("stroke-dasharray", entry.dash);
    swatch.append(line);
    made.append(swatch, html("span", "", entry.label));
    made.title = "Show or hide";
    made.addEventListener("click", () => this.traces.toggle(k));
    this.legend.append(made);
    return made;
  }

  draw() {
    const [from, to] = this.traces.view;
    this.entries.forEach((made, k) => made.setAttribute("aria-pressed", this.traces.on[k]));
    const digits = to - from > 20 ? 1 : to - from > 1 ? 2 : 4;
    this.range.textContent =
      `${from.toFixed(digits)} – ${to.toFixed(digits)} s of ${shown(this.traces.data.duration)} s`;
  }
}

const TIP_ROWS = 14;

/** Fill and place the box beside the pointer: the time, and each line's value there. */
function showTip(traces, at, t) {
  const { tip } = traces;
  const values = at && at.panel ? at.panel.valuesAt(t) : [];
  tip.hidden = !at || t < traces.view[0] || t > traces.view[1];
  if (tip.hidden) return;
  const span = traces.view[1] - traces.view[0];
  tip.replaceChildren(html("div", "tip-time", timeText(t, span)));
  for (const { one, value } of values.slice(0, TIP_ROWS)) {
    const row = html("div", "tip-row");
    const line = svg("path", { class: `line ${one.look}`, d: "M1 5H17" });
    if (one.dash) line.setAttribute("stroke-dasharray", one.dash);
    row.append(svg("svg", { width: 18, height: 10 }, line), html("span", "tip-name", one.name),
      html("span", "tip-value", `${shown(value)} ${at.panel.data.unit}`));
    tip.append(row);
  }
  if (values.length > TIP_ROWS) tip.append(html("div", "", `… ${values.length - TIP_ROWS} more`));
  const right = at.x + 18 + tip.offsetWidth > traces.width;
  tip.style.left = `${right ? at.x - tip.offsetWidth - 14 : at.x + 14}px`;
  tip.style.top = `${at.y + 14}px`;
}
