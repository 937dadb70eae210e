/* Valley: a level moves; the loss meets it twice, with opposite slopes. */

import { Figure, clamp, general, mean, offset, round } from "./figure.js";

const SIDES = { left: -1, right: 1 };

class Valley extends Figure {
  build() {
    this.plane = this.scale("plane");
    this.hold = this.handle("Height of the level: the mean loss J", ["knob"], {
      to: (x, y) => this.set([this.plane.ofY(y)]),
      by: (dx, dy) => this.set([this.state[0] + (dx + dy) / 10]),
      free: true,
    });
  }

  accept([level, ...rest]) {
    const taken = round(clamp(Number(level), ...this.given.levels), 1);
    return level !== "" && taken > 0 && !rest.length ? [taken] : null;
  }

  /** Return both points of this height, and the bottom's θ between them. */
  points(level) {
    const { x, y } = this.given, xx = mean(x.map(x => x * x));
    const middle = mean(x.map((x, i) => x * y[i])) / xx;
    const lowest = mean(y.map((y, i) => (y - middle * x[i]) ** 2));
    const away = Math.sqrt((level - lowest) / xx);
    const [left, right] = [-away, away].map(away => {
      const theta = middle + away, slope = mean(x.map((x, i) => -2 * x * (y[i] - theta * x)));
      return { theta, slope };
    });
    return { left, right, middle };
  }

  draw() {
    const [level] = this.state, { plane } = this, { middle, ...sides } = this.points(level);
    const x = plane.x(middle), y = plane.y(level);
    this.sides = sides;
    this.line("level", [[plane.x(plane.left), y], [plane.x(plane.right), y]]);
    for (const id of ["knob", "level-text"]) this.put(id, x, y);
    this.hold.put(x, y);
    this.write("level-text", `J = ${general(level)}, twice`);
    this.write("bottom", level < this.given.named ? "" : "bottom");
    for (const [name, side] of Object.entries(SIDES)) this.drawSide(name, side, level);
    this.say(this.hold, `J = ${general(level)}`, level, ...this.given.levels);
  }

  drawSide(name, side, level) {
    const { plane, given: { reach, wide, high } } = this, { theta, slope } = this.sides[name];
    const x = plane.x(theta), y = plane.y(level), axis = plane.y(plane.low);
    const at = away => [plane.x(theta + away), plane.y(level + slope * away)];
    this.line(`${name}-tangent`, [at(-reach), at(reach)]);
    this.line(`${name}-drop`, [[x, y], [x, axis]]);
    this.put(`${name}-point`, x, y);
    // Where the valley is narrow, both texts stand outside, the slope below the curve.
    const outward = level < wide ? side : -side;
    for (const part of ["slope", "theta"]) {
      const id = `${name}-${part}`, height = part === "slope" ? y : axis;
      this.put(id, x, height);
      const text = this.text(id), [across, down] = offset(text);
      this.beside(text, x, height, [Math.abs(across), down], outward);
    }
    if (level < wide) this.text(`${name}-slope`).setAttribute("y", String(y + 12));
    if (level >= high) this.text(`${name}-slope`).setAttribute("y", this.text("level-text").getAttribute("y"));
    this.write(`${name}-slope`, `slope ${general(round(slope, 2))}`);
    this.write(`${name}-theta`, `θ = ${general(round(theta, 3))}`);
  }

  sentence() {
    const { left, right } = this.sides, [level] = this.state;
    const [first, second] = [left, right].map(({ theta, slope }) =>
      `slope ${general(round(slope, 2))} at θ = ${general(round(theta, 3))}`);
    return `the losses averaged are ${general(level)} twice: ${first}, ${second}`;
  }
}

customElements.define("gx-valley", Valley);
