/* Clip: two gradients move; each cut at the circle, then averaged, and averaged, then cut. */

import { Figure, apart, clamp, fixed, general, mean, round } from "./figure.js";

const two = value => fixed(value + 1e-9, 2); // halves up, as in Python
const vector = ([x, y]) => `(${two(x)}, ${two(y)})`;
const middle = (a, b) => [mean([a[0], b[0]]), mean([a[1], b[1]])];
const ORIGIN = [0, 0];

class Clip extends Figure {
  build() {
    this.plane = this.scale("plane");
    this.tips = [0, 1].map(i => this.handle(
      `Tip of gradient ${i + 1}: across with ← and →, up with ↑ and ↓`, [`gradient-${i}`], {
        to: (x, y) => this.move(i, this.plane.ofX(x), this.plane.ofY(y)),
        by: (dx, dy) => this.move(i, this.state[2 * i] + dx / 10, this.state[2 * i + 1] + dy / 10),
        free: true,
      }));
  }

  accept(values) {
    if (values.length !== 4 || values.includes("") || values.some(isNaN)) return null;
    const { across, up } = this.given;
    return values.map((value, i) => round(clamp(Number(value), ...(i % 2 ? up : across)), 2));
  }

  move(i, x, y) {
    this.set(this.state.toSpliced(2 * i, 2, x, y));
  }

  clip(gradient) {
    const over = Math.max(1, Math.hypot(...gradient) / this.given.limit);
    return gradient.map(part => part / over);
  }

  draw() {
    const [x, y, u, v] = this.state, tips = [[x, y], [u, v]], cuts = tips.map(tip => this.clip(tip));
    const center = middle(...tips), right = this.clip(center), averaged = middle(...cuts);
    this.lines({
      "between-tips": tips, "between-cuts": cuts, "mean-cut": [right, center],
      "true-line": [ORIGIN, right], "averaged-line": [ORIGIN, averaged], "gap-line": [averaged, right],
    });
    for (const [id, place] of [["mean", center], ["true-tip", right], ["averaged-tip", averaged]])
      this.put(id, ...this.at(place));
    tips.forEach((tip, i) => this.drawGradient(i, tip, cuts[i]));
    apart(this.tips);
    // Each name stands on the far side of its tip, where no line is.
    tips.forEach((tip, i) => this.place(`gradient-${i}-text`, ...this.at(tip), 1, tip[1] < 0));
    this.drawValues(right, averaged);
  }

  drawGradient(i, tip, cut) {
    const [x, y] = tip, length = Math.hypot(x, y), head = Math.min(this.given.head, length / 2);
    const [dx, dy] = tip.map(part => part / (length || 1) * head);
    const sides = [-1, 1].map(side => [x - dx + side * dy / 2, y - dy - side * dx / 2]);
    this.lines({
      [`kept-${i}`]: [ORIGIN, cut], [`gradient-${i}`]: [ORIGIN, tip, sides[0], tip, sides[1]],
    });
    this.put(`cut-${i}`, ...this.at(cut));
    this.tips[i].put(...this.at(tip));
    const place = `x = ${general(x)}, y = ${general(y)}, length ${two(length)}`;
    this.say(this.tips[i], place, x, ...this.given.across);
  }

  drawValues(right, averaged) {
    const gap = Math.hypot(...averaged.map((part, i) => part - right[i]));
    this.found = { right, averaged, gap };
    for (const [name, value] of [["true", right], ["averaged", averaged]]) {
      this.write(name, vector(value));
      this.write(`${name}-length`, `length ${two(Math.hypot(...value))}`);
    }
    this.write("gap", `length ${two(gap)}`);
  }

  lines(all) {
    for (const [id, points] of Object.entries(all)) this.line(id, points.map(point => this.at(point)));
  }

  /** @param {number[]} point @returns {[number, number]} */
  at([x, y]) {
    return [this.plane.x(x), this.plane.y(y)];
  }

  sentence() {
    const { right, averaged, gap } = this.found;
    return `averaged, then clipped ${vector(right)}; clipped, then averaged ${vector(averaged)}; `
      + `the gap is ${two(gap)} long`;
  }
}

customElements.define("gx-clip", Clip);
