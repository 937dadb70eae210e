/* Two descents: the true gradient reaches the fit, the averaged one stops on the start's rail. */

import { Figure, clamp, fixed, general, mean, round } from "./figure.js";

class TwoDescents extends Figure {
  build() {
    this.plane = this.scale("plane");
    this.lines = this.scale("lines");
    const label = "Start of both descents: m with ← and →, b with ↑ and ↓";
    this.hold = this.handle(label, ["start"], {
      to: (x, y) => this.set([this.plane.ofX(x), this.plane.ofY(y)]),
      by: (dx, dy) => this.set([this.state[0] + dx / 20, this.state[1] + dy / 20]),
      free: true,
    });
  }

  accept(values) {
    if (values.length !== 2 || values.includes("") || values.some(isNaN)) return null;
    const limits = [this.given.m, this.given.b];
    return values.map((value, i) => round(clamp(Number(value), ...limits[i]), 2));
  }

  /** Take the steps of one descent; return every (m, b) on the way. */
  descend(slopeOf) {
    const { x, y, rate, steps } = this.given, path = [this.state];
    for (let step = 0; step < steps; step++) {
      const [m, b] = path.at(-1), r = x.map((x, i) => y[i] - (m * x + b));
      path.push([m - rate * slopeOf(x, r), b - rate * -2 * mean(r)]);
    }
    return path;
  }

  loss([m, b]) {
    const { x, y } = this.given;
    return mean(x.map((x, i) => (y[i] - (m * x + b)) ** 2));
  }

  draw() {
    const [m, b] = this.state, { plane } = this, meanX = mean(this.given.x);
    this.true = this.descend((x, r) => -2 * mean(x.map((x, i) => x * r[i])));
    this.averaged = this.descend((x, r) => -2 * mean(x) * mean(r));
    this.drawPath("true", this.true);
    this.drawPath("averaged", this.averaged);
    const onRail = x => [plane.x(x), plane.y(b + (x - m) / meanX)];
    this.line("rail", [plane.left, plane.right].map(onRail));
    this.put("start", plane.x(m), plane.y(b));
    this.hold.put(plane.x(m), plane.y(b));
    this.write("start-text", `start: m = ${general(m)}, b = ${general(b)}`);
    this.write("rail-text", `rail: m − ${general(meanX)} b = ${general(m - meanX * b)}`);
    // The ends' names stand away from the start, where no path is.
    for (const [id, end] of [["fit-label", this.true.at(-1)], ["stop-label", this.averaged.at(-1)]])
      this.place(id, ...this.at(end), m > end[0] ? -1 : 1);
    this.place("start-label", plane.x(m), plane.y(b));
    this.say(this.hold, `m = ${general(m)}, b = ${general(b)}`, m, ...this.given.m);
  }

  drawPath(name, path) {
    const points = path.map(point => this.at(point)), [m, b] = path.at(-1), { lines } = this;
    this.line(`${name}-path`, points);
    this.piece(`${name}-steps`).querySelectorAll("use").forEach((step, i) => {
      step.setAttribute("x", points[i][0]);
      step.setAttribute("y", points[i][1]);
    });
    this.put(`${name}-end`, ...this.at([m, b]));
    this.line(`${name}-line`, [lines.left, lines.right].map(x => [lines.x(x), lines.y(m * x + b)]));
    this.write(`${name}-loss`, `${name}, J = ${fixed(this.loss(path.at(-1)), 3)}`);
  }

  /** @param {number[]} point @returns {[number, number]} */
  at([m, b]) {
    return [this.plane.x(m), this.plane.y(b)];
  }

  sentence() {
    const [right, averaged] = [this.true, this.averaged].map(path => {
      const [m, b] = path.at(-1);
      return `m = ${fixed(m, 2)}, b = ${fixed(b, 2)}, J = ${fixed(this.loss([m, b]), 3)}`;
    });
    return `true descent ends at ${right}; averaged descent at ${averaged}`;
  }
}

customElements.define("gx-two-descents", TwoDescents);
