// Mouse, touch and keys on the traces: drag to zoom, Shift and drag to move, wheel, arrow keys.

const KEYS = {
  ArrowLeft: (traces) => traces.pan(-0.1),
  ArrowRight: (traces) => traces.pan(0.1),
  PageUp: (traces) => traces.pan(-0.9),
  PageDown: (traces) => traces.pan(0.9),
  "+": (traces) => traces.zoom(0.5),
  "=": (traces) => traces.zoom(0.5),
  "-": (traces) => traces.zoom(2),
  0: (traces) => traces.reset(),
  Home: (traces) => traces.reset(),
  Escape: (traces) => traces.reset(),
};

function addGestures(traces) {
  const { stage } = traces;
  const gesture = new Gesture(traces);
  stage.addEventListener("pointerdown", (event) => gesture.down(event));
  stage.addEventListener("pointermove", (event) => gesture.move(event));
  stage.addEventListener("pointerup", (event) => gesture.up(event));
  stage.addEventListener("pointercancel", () => gesture.end());
  stage.addEventListener("pointerleave", () => gesture.from || traces.point(null));
  stage.addEventListener("dblclick", () => traces.reset());
  stage.addEventListener("wheel", (event) => wheel(traces, event), { passive: false });
  stage.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(traces);
  });
}

/** Where an event is inside the stage [px], and over which panel. */
function place(traces, event) {
  const box = traces.stage.getBoundingClientRect();
  const panel = traces.panels.find((one) => {
    const edge = one.box.getBoundingClientRect();
    return event.clientY >= edge.top && event.clientY < edge.bottom;
  });
  return { x: event.clientX - box.left, y: event.clientY - box.top, panel };
}

/** Zoom with Ctrl (which a pinch on a trackpad sends too), move sideways; else the page scrolls. */
function wheel(traces, event) {
  const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    traces.zoom(1.0015 ** event.deltaY, traces.time(place(traces, event).x));
  } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault();
    traces.pan(sideways / traces.columns);
  }
}

/** One press of the pointer until its release. */
class Gesture {
  constructor(traces) {
    this.traces = traces;
    this.from = null;
    this.mark = html("div", "selection");
    this.mark.hidden = true;
    traces.stage.append(this.mark);
  }

  down(event) {
    if (event.button !== 0) return;
    this.from = place(this.traces, event);
    this.view = [...this.traces.view];
    this.moves = event.shiftKey || event.pointerType === "touch";
    this.traces.stage.setPointerCapture(event.pointerId);
    this.traces.stage.focus({ preventScroll: true });
  }

  move(event) {
    const at = place(this.traces, event);
    if (!this.from) { this.traces.point(at); return; }
    if (this.moves) {
      const shift = (this.from.x - at.x) / this.traces.columns * (this.view[1] - this.view[0]);
      const start = Math.min(Math.max(this.view[0] + shift, 0),
        this.traces.data.duration - (this.view[1] - this.view[0]));
      this.traces.show(start, start + this.view[1] - this.view[0]);
      return;
    }
    const [left, right] = this.ends(at);
    this.mark.hidden = right - left < 4;
    this.mark.style.left = `${left}px`;
    this.mark.style.width = `${right - left}px`;
    this.traces.point(at);
  }

  /** The selected stretch inside the axes [px]. */
  ends(at) {
    const cut = (x) => Math.min(Math.max(x, MARGIN.left), this.traces.width - MARGIN.right);
    return [cut(Math.min(this.from.x, at.x)), cut(Math.max(this.from.x, at.x))];
  }

  up(event) {
    if (!this.from) return;
    const [left, right] = this.ends(place(this.traces, event));
    const [from, to] = [this.traces.time(left), this.traces.time(right)];
    const wanted = !this.moves && right - left >= 4;
    this.end();
    if (wanted) this.traces.show(from, to);
  }

  end() { this.from = null; this.mark.hidden = true; }
}
