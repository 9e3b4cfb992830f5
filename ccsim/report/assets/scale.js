"use strict";
// Numbers: packed columns, ticks, the lowest and highest of each pixel, and how values are written.

/** Times [s] from [unit in µs, first, step, count, step, count, …]. */
function decodeTimes(packed) {
  const times = [];
  let now = packed[1] * packed[0];
  if (packed.length > 1) times.push(now / 1e6);
  for (let k = 2; k < packed.length; k += 2) {
    for (let n = packed[k + 1]; n > 0; n--) times.push((now += packed[k] * packed[0]) / 1e6);
  }
  return Float64Array.from(times);
}

/** Values from differences of whole numbers, each `size` units; null is a gap (NaN). */
function decodeValues(packed, size) {
  const values = new Float64Array(packed.length);
  let now = 0;
  packed.forEach((step, k) => {
    if (step !== null) now += step;
    values[k] = step === null ? NaN : now * size;
  });
  return values;
}

/** The first index from which `column` is above `value`. */
function above(column, value) {
  let low = 0, high = column.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (column[middle] > value) high = middle; else low = middle + 1;
  }
  return low;
}

/** Round steps (1, 2, 2.5 or 5 times a power of ten) for about `count` ticks. */
function tickStep(span, count, whole) {
  const power = 10 ** Math.floor(Math.log10(span / count || 1));
  const step = [1, 2, 2.5, 5, 10].map((k) => k * power).find((s) => span / s <= count) || span;
  return whole ? Math.max(1, Math.ceil(step)) : step;
}

function ticks(low, high, count, whole) {
  if (!(high > low)) return [];
  const step = tickStep(high - low, count, whole);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) {
    found.push(k * step);
  }
  return found;
}

/** The range of a logarithmic axis: a seventh of it is air, above and below. */
function logRange(low, high) {
  const air = Math.max(high / low, 1.15) ** 0.15;
  return [low / air, high * air];
}

/** Ticks of a logarithmic axis: 1, 2 and 5 times powers of ten, or these powers alone if many; of
 * less than half a decade those of a plain one. */
function logTicks(low, high) {
  const decades = Math.log10(high / low);
  if (decades < 0.5) return ticks(low, high, 5);
  const steps = decades > 2.5 ? [1] : [1, 2, 5];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    for (const step of steps) {
      const value = step * 10 ** power;
      if (value >= low && value <= high) found.push(value);
    }
  }
  return found;
}

/** The decimals that tell multiples of a step apart. */
function decimals(step) {
  for (let digits = 0; digits < 9; digits++) {
    if (Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) < 1e-6) return digits;
  }
  return 9;
}

/** A value with four significant digits and no exponent. */
function shown(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1000 || Number.isInteger(value)) return value.toFixed(0);
  return value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 3);
}

/** A time [s] as it is read out, finer the closer the view. */
function timeText(t, span) {
  return t.toFixed(span > 20 ? 2 : span > 2 ? 3 : span > 0.2 ? 4 : 6) + " s";
}

/** Whether rows first to last are more than `columns` pixels can show one by one. */
function isDense(first, last, columns) {
  return last - first > 2 * columns;
}

/** A coordinate with one decimal, which is finer than a screen. */
function pixel(value) {
  return Math.round(value * 10) / 10;
}

/** Draws a path point by point; what falls on the point before is left out. */
class Pen {
  constructor() { this.out = []; this.lift(); }
  lift() { this.down = false; }
  to(x, y) {
    const [px, py] = [pixel(x), pixel(y)];
    if (this.down && px === this.x && py === this.y) return;
    this.out.push(this.down ? "L" : "M", px, " ", py);
    this.down = true;
    this.x = px;
    this.y = py;
  }
  toString() { return this.out.join(""); }
}

/**
 * The path through rows first to last. Where they are dense, of each pixel only the first, lowest,
 * highest and last point are drawn: no peak is lost, and the line looks as if all were.
 */
function pathOf(times, values, first, last, x, y, columns) {
  const pen = new Pen();
  const dense = isDense(first, last, columns);
  let k = first;
  while (k < last) {
    if (Number.isNaN(values[k])) { pen.lift(); k++; continue; }
    if (!dense) { pen.to(x(times[k]), y(values[k])); k++; continue; }
    const column = Math.floor(x(times[k]));
    let low = k, high = k, end = k;
    for (let j = k + 1; j < last && Math.floor(x(times[j])) === column; j++) {
      if (Number.isNaN(values[j])) break;
      if (values[j] < values[low]) low = j;
      if (values[j] > values[high]) high = j;
      end = j;
    }
    for (const row of low < high ? [k, low, high, end] : [k, high, low, end]) {
      pen.to(column, y(values[row]));
    }
    k = end + 1;
  }
  return pen.toString();
}

/** Mean rates over bins `factor` times as wide, from the rates between `edges`. */
function rebin(edges, rates, width) {
  const times = [], means = [];
  let k = 0;
  while (k < rates.length) {
    const bin = Math.floor(edges[k] / width + 1e-6), first = k;
    let sum = 0, span = 0;
    for (; k < rates.length && Math.floor(edges[k] / width + 1e-6) === bin; k++) {
      if (Number.isNaN(rates[k])) continue;
      sum += rates[k] * (edges[k + 1] - edges[k]);
      span += edges[k + 1] - edges[k];
    }
    times.push((edges[first] + edges[k]) / 2);
    means.push(span > 0 ? sum / span : NaN);
  }
  return { times: Float64Array.from(times), values: Float64Array.from(means) };
}
