/* Circle: an angle moves six targets; no average changes, the first weight's gradient moves. */

import { Figure, clamp, fixed, mean, round } from "./figure.js";

const sigmoid = x => 1 / (1 + Math.exp(-x));
const dot = (u, v) => u.reduce((sum, value, i) => sum + value * v[i], 0);
const cross = ([a, b, c], [d, e, f]) => [b * f - c * e, c * d - a * f, a * e - b * d];
const times = (u, v) => u.map((value, i) => value * v[i]);

/** Return the six examples at an angle: inputs, outputs, targets. */
function examples(angle, { t, D, c, R }) {
  const o = t.map(t => 2 * sigmoid(t) - 1);
  const e1 = [o[1], -o[0], 0].map(part => part / Math.hypot(o[0], o[1]));
  const e2 = cross(o, e1).map(part => part / Math.hypot(...o));
  const u = o.map((part, i) =>
    3 * c * part / dot(o, o) + R * (Math.cos(angle) * e1[i] + Math.sin(angle) * e2[i]));
  const x = [...t.map(t => -t), ...t], output = x.map(sigmoid);
  const delta = [...u.map(u => D - u), ...u.map(u => D + u)];
  return { x, output, target: output.map((output, i) => output - delta[i] / 2) };
}

/** Backprop through the net with weights 1, row by row, and by averages. */
function gradients({ x, output, target }) {
  const slope = output.map(a => a * (1 - a));
  const delta = output.map((output, i) => 2 * (output - target[i])), inner = times(delta, slope);
  const averages = [
    mean(delta.map(delta => delta * delta / 4)), mean(x), mean(output), mean(slope),
    mean(delta), mean(inner), mean(times(delta, output)),
  ];
  const atMean = sigmoid(mean(x));
  return {
    averages, true: mean(times(inner, x)), averaged: mean(delta) * atMean * (1 - atMean) * mean(x),
  };
}

class Circle extends Figure {
  build() {
    this.targets = this.scale("targets");
    this.moving = this.scale("moving");
    this.angle = this.handle("Angle of the six targets", ["true"], {
      to: x => this.set([this.moving.ofX(x)]),
      by: (dx, dy) => this.set([this.state[0] + 5 * (dx + dy)]),
    });
  }

  accept([angle, ...rest]) {
    const degrees = round(clamp(Number(angle), 0, 360), 0);
    return angle !== "" && degrees >= 0 && !rest.length ? [degrees] : null;
  }

  draw() {
    const [degrees] = this.state;
    const found = examples(degrees * Math.PI / 180, this.given);
    this.found = gradients(found);
    this.drawTargets(found);
    const turn = this.moving.x(degrees) - this.moving.x(Number(this.start[0]));
    this.drawAverages(turn);
    this.drawGradients(degrees, turn);
    this.say(this.angle, `${degrees} degrees`, degrees, 0, 360);
  }

  drawTargets({ x, output, target }) {
    target.forEach((y, i) => {
      const across = this.targets.x(x[i]), down = this.targets.y(y);
      this.put(`target-${i}`, across, down);
      this.line(`error-${i}`, [[across, this.targets.y(output[i])], [across, down]]);
    });
  }

  drawAverages(turn) {
    this.shift("still-cursor", turn);
    this.found.averages.forEach((value, row) => {
      this.shift(`still-${row}`, turn);
      this.write(`still-${row}-text`, fixed(value, 3));
    });
  }

  drawGradients(degrees, turn) {
    const { true: right, averaged } = this.found, { moving } = this;
    const x = moving.x(degrees), rightY = moving.y(right), averagedY = moving.y(averaged);
    this.shift("moving-cursor", turn);
    this.shift("averaged", turn);
    this.line("gap", [[x, averagedY], [x, rightY]]);
    this.put("true", x, rightY);
    this.angle.put(x, rightY);
    // The word stands inside the shaded area where that is wide enough, and nowhere else.
    const left = degrees > 45, room = Math.abs(rightY - averagedY) > 24;
    this.write("gap-text", room ? "gap" : "");
    this.put("gap-text", left ? x : x + 35, (rightY + averagedY) / 2);
    // The two values keep a line's distance.
    const apart = rightY - averagedY, away = apart > 0 ? Math.max(apart, 14) : Math.min(apart, -14);
    this.put("true-text", 0, averagedY + away);
    this.write("true-text", fixed(right, 3));
    this.write("averaged-text", fixed(averaged, 3));
  }

  sentence() {
    const { true: right, averaged, averages } = this.found;
    return `true gradient ${fixed(right, 3)}, averaged ${fixed(averaged, 3)}; `
      + `loss ${fixed(averages[0], 3)}, every average as before`;
  }
}

customElements.define("gx-circle", Circle);
