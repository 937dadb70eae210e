/* Covariance: four points move; the rectangles between them and the means add up to it. */

import { Figure, apart, clamp, fixed, general, mean, round } from "./figure.js";

const two = value => fixed(value + 1e-9, 2); // halves up, on either side of the wire
const signed = value => Math.abs(value) < 0.005 ? "0.00" : (value > 0 ? "+" : "") + two(value);

class Covariance extends Figure {
  build() {
    this.plane = this.scale("plane");
    this.areas = this.scale("areas");
    this.points = [0, 1, 2, 3].map(i => this.handle(
      `Point ${i + 1}: input x with ← and →, error r with ↑ and ↓`, [`point-${i}`], {
        to: (x, y) => this.move(i, this.plane.ofX(x), this.plane.ofY(y)),
        by: (dx, dy) => this.move(i, this.state[2 * i] + dx / 10, this.state[2 * i + 1] + dy / 10),
        free: true,
      }));
  }

  accept(values) {
    if (values.length !== 8 || values.includes("") || values.some(isNaN)) return null;
    const { x, r } = this.given;
    return values.map((value, i) => round(clamp(Number(value), ...(i % 2 ? r : x)), 1));
  }

  move(i, x, r) {
    this.set(this.state.toSpliced(2 * i, 2, x, r));
  }

  draw() {
    const [x, r] = [0, 1].map(of => this.state.filter((_, i) => i % 2 === of));
    const at = { x: mean(x), r: mean(r) }, areas = x.map((x, i) => (x - at.x) * (r[i] - at.r));
    this.found = { true: mean(x.map((x, i) => x * r[i])), averaged: at.x * at.r, gap: mean(areas) };
    for (const [name, value] of Object.entries(this.found)) this.write(name, two(value));
    this.drawMeans(at);
    areas.forEach((area, i) => this.drawPoint(i, x[i], r[i], at, area));
    apart(this.points);
    this.drawSum("positive", areas.map(area => Math.max(area, 0)), 1);
    this.drawSum("negative", areas.map(area => Math.max(-area, 0)), -1);
  }

  drawMeans(at) {
    const { plane } = this, x = plane.x(at.x), y = plane.y(at.r);
    this.line("mean-x", [[x, plane.y(plane.low)], [x, plane.y(plane.high)]]);
    this.line("mean-r", [[plane.x(plane.left), y], [plane.x(plane.right), y]]);
    this.put("mean-x-text", x, 0);
    this.put("mean-r-text", 0, y);
    this.write("mean-x-text", `mean x ${two(at.x)}`);
    this.write("mean-r-text", `mean r ${two(at.r)}`);
  }

  drawPoint(i, x, r, at, area) {
    const { plane } = this, [left, right] = [at.x, x].map(plane.x), [low, high] = [at.r, r].map(plane.y);
    for (const id of [`area-${i}`, `shade-${i}`])
      this.line(id, [[left, low], [right, low], [right, high], [left, high], [left, low]]);
    this.piece(`shade-${i}`).querySelector("path").style.fill = area > 0 ? "var(--gx-gap)" : "none";
    this.put(`point-${i}`, right, high);
    this.points[i].put(right, high);
    const place = `x = ${general(x)}, r = ${general(r)}, area ${two(area)}`;
    this.say(this.points[i], place, r, ...this.given.r);
  }

  /** Lay the areas of one sign end to end. */
  drawSum(name, parts, sign) {
    let end = 0;
    parts.forEach((part, i) => {
      this.bar(`${name}-${i}`, this.areas.x(end), this.areas.x(end + part));
      end += part;
    });
    this.write(`${name}-sum`, signed(sign * end));
  }

  sentence() {
    const { true: right, averaged, gap } = this.found;
    return `mean of the products ${two(right)}, product of the averaged factors ${two(averaged)}, `
      + `covariance ${two(gap)}`;
  }
}

customElements.define("gx-covariance", Covariance);
