// SPDX-License-Identifier: Apache-2.0
// A line plot over the last minutes, in SVG. Values that are NaN break the line.
import { make } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 52, RIGHT = 8, TOP = 8, BOTTOM = 22, HEIGHT = 150;

function svg(name, attributes, ...children) {
  const e = document.createElementNS(SVG, name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

/** The least even digit, or 1, times a power of ten that is not below v. */
function roundUp(v) {
  const power = 10 ** Math.floor(Math.log10(v));
  return [1, 2, 4, 6, 8, 10].map((k) => k * power).find((k) => k >= v * 0.999);
}

export class Plot {
  /** series: names; format: value to text; least: the scale reaches so far; span, gap: seconds that are shown, that break a line. */
  constructor({ title, series, format, least, span, gap }) {
    Object.assign(this, { title, series, format, least, span, gap, points: [], hover: null });
    this.values = series.map(() => make("b", {}, "–"));
    const keys = series.map((name, i) => make("span", { className: `key s${i}` }, make("i", { "aria-hidden": "true" }), `${name} `, this.values[i]));
    this.when = make("span", { className: "when" });
    this.svg = svg("svg", { role: "img", height: HEIGHT });
    this.node = make("figure", { className: "plot" }, make("figcaption", {}, make("h3", {}, title), this.when), make("div", { className: "keys" }, ...keys), this.svg);
    this.svg.addEventListener("pointermove", (e) => this.point(e));
    this.svg.addEventListener("pointerleave", () => this.point(null));
    new ResizeObserver(() => this.draw()).observe(this.node);
  }

  /** points: [{ t, values }], t in seconds, oldest first. */
  update(points) {
    this.points = points;
    this.draw();
  }

  point(e) {
    this.hover = e && e.offsetX;
    this.draw();
  }

  /** The point that the pointer is at, else the last. */
  chosen(x) {
    if (this.hover === null) return this.points.at(-1);
    return this.points.reduce((best, p) => (Math.abs(x(p.t) - this.hover) < Math.abs(x(best.t) - this.hover) ? p : best), this.points[0]);
  }

  paths(x, y, i) {
    let line = "", area = "", open = null, last = 0;
    const close = () => (area += open === null ? "" : `V${y(0)}H${open}Z`);
    for (const { t, values } of this.points) {
      const gap = Number.isNaN(values[i]) || t - last > this.gap;
      if (gap) close();
      if (gap) open = null;
      last = t;
      if (Number.isNaN(values[i])) continue;
      const at = `${x(t).toFixed(1)} ${y(values[i]).toFixed(1)}`;
      area += open === null ? `M${x(t).toFixed(1)} ${y(0)}L${at}` : `L${at}`;
      line += open === null ? `M${at}` : `L${at}`;
      open ??= x(t).toFixed(1);
    }
    close();
    return [svg("path", { d: area, class: `area s${i}` }), svg("path", { d: line, class: `line s${i}` })];
  }

  draw() {
    const width = this.svg.clientWidth, right = width - RIGHT, bottom = HEIGHT - BOTTOM;
    if (!width || !this.points.length) return;
    const end = this.points.at(-1).t, largest = Math.max(...this.points.flatMap((p) => p.values).filter((v) => !Number.isNaN(v)), this.least);
    const top = roundUp(largest), span = Math.min(this.span, Math.max(30, 30 * Math.ceil((end - this.points[0].t) / 30)));
    const x = (t) => right - ((end - t) / span) * (right - LEFT), y = (v) => bottom - (Math.min(v, top) / top) * (bottom - TOP);
    const grid = [0, 0.5, 1].flatMap((k) => [
      svg("line", { x1: LEFT, x2: right, y1: y(k * top), y2: y(k * top), class: "grid" }),
      svg("text", { x: LEFT - 6, y: y(k * top) + 4, "text-anchor": "end" }, this.format(k * top)),
    ]);
    const axis = [svg("text", { x: LEFT, y: HEIGHT - 4 }, `${span} s ago`), svg("text", { x: right, y: HEIGHT - 4, "text-anchor": "end" }, "now")];
    const p = this.chosen(x);
    const mark = this.hover === null ? [] : [svg("line", { x1: x(p.t), x2: x(p.t), y1: TOP, y2: bottom, class: "mark" })];
    this.svg.replaceChildren(...grid, ...axis, ...this.series.flatMap((_, i) => this.paths(x, y, i)), ...mark);
    this.when.textContent = this.hover === null ? "" : `${Math.round(end - p.t)} s ago`;
    this.values.forEach((v, i) => (v.textContent = Number.isNaN(p.values[i]) ? "–" : this.format(p.values[i])));
    this.svg.setAttribute("aria-label", `${this.title}: ${this.series.map((s, i) => `${s} ${this.values[i].textContent}`).join(", ")}`);
  }
}
