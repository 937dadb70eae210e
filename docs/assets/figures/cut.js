/* Cut: a boundary moves through 100 targets; the right mean stands, the mean of means moves. */

import { Figure, clamp, fixed, general, mean, offset, round } from "./figure.js";

class Cut extends Figure {
  build() {
    this.losses = this.scale("losses");
    this.weights = this.scale("weights");
    this.gauge = this.scale("gauge");
    this.hold = this.handle("The cut: targets before it", ["cut", "knob"], {
      to: x => this.set([this.losses.ofX(x)]),
      by: (dx, dy) => this.set([this.state[0] + dx + dy]),
    });
  }

  accept([boundary, ...rest]) {
    const targets = round(clamp(Number(boundary), 1, this.given.losses.length - 1), 0);
    return boundary !== "" && targets >= 1 && !rest.length ? [targets] : null;
  }

  draw() {
    const [boundary] = this.state, all = this.given.losses;
    const parts = [all.slice(0, boundary), all.slice(boundary)];
    this.counts = parts.map(part => part.length);
    this.means = parts.map(mean);
    this.right = mean(all);
    this.averaged = mean(this.means);
    this.drawCut(boundary);
    this.counts.forEach((count, i) => this.drawPart(count, i));
    for (const id of ["mean-of-means", "mean-of-means-text"])
      this.put(id, this.gauge.x(this.averaged), this.gauge.y(0));
    this.write("mean-of-means-text", `mean of means ${fixed(this.averaged, 2)}`);
    this.say(this.hold, `after ${boundary}`, boundary, 1, all.length - 1);
  }

  drawCut(boundary) {
    const x = this.losses.x(boundary), y = this.losses.y(this.given.knob);
    const text = this.text("cut-text");
    this.shift("cut", x - this.losses.x(Number(this.start[0])));
    this.put("knob", x, y);
    this.hold.put(x, y);
    this.put("cut-text", x, y);
    this.beside(text, x, y, offset(text), boundary > 80 ? -1 : 1);
  }

  drawPart(count, i) {
    const weight = count / this.given.losses.length, x = this.weights.x(weight);
    const targets = `${count} target${count === 1 ? "" : "s"}`;
    this.write(`part-${i}`, `${targets}, mean loss ${general(round(this.means[i], 2))}`);
    this.put(`right-${i}-text`, x, 0);
    this.write(`right-${i}-text`, `right ${general(weight)}`);
    const path = this.piece(`right-${i}`).querySelector("path");
    const y = path.getBBox().y; // it lies level
    this.line(`right-${i}`, [[this.weights.x(0), y], [x, y]]);
  }

  sentence() {
    const counts = this.counts.join(" and "), means = this.means.map(part => fixed(part, 2));
    return `${counts} targets, mean losses ${means.join(" and ")}; right mean `
      + `${fixed(this.right, 2)}, the means averaged ${fixed(this.averaged, 2)}`;
  }
}

customElements.define("gx-cut", Cut);
