/* Circle: an angle moves six targets; no average changes, the first weight's gradient moves. */

import { Figure, clamp, fixed, round } from "./figure.js";

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
    const [degrees] = this.state, { averages, averaged, true: right } = this.given;
    this.found = { averages: averages[degrees], averaged: averaged[degrees], true: right[degrees] };
    this.drawTargets(degrees);
    const turn = this.moving.x(degrees) - this.moving.x(Number(this.start[0]));
    this.drawAverages(turn);
    this.drawGradients(degrees, turn);
    this.say(this.angle, `${degrees} degrees`, degrees, 0, 360);
  }

  drawTargets(degrees) {
    const { inputs, outputs, targets } = this.given;
    targets[degrees].forEach((target, i) => {
      const x = this.targets.x(inputs[i]), [from, to] = [outputs[i], target].map(this.targets.y);
      this.put(`target-${i}`, x, to);
      this.line(`error-${i}`, [[x, from], [x, to]]);
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
