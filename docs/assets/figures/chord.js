/* Chord: the mean of two slopes lies on the chord, the slope at their mean on the curve. */

import { Figure, REACH, clamp, fixed, general, mean, offset, round } from "./figure.js";

const sigmoid = x => 1 / (1 + Math.exp(-x));
const SLOPES = {
  sigmoid: x => sigmoid(x) * sigmoid(-x),
  tanh: x => 4 * sigmoid(2 * x) * sigmoid(-2 * x),
  softplus: sigmoid,
  relu: x => x > 0 ? 1 : 0,
};

/** Return places from end to end, and the two beside 0, where a ReLU jumps. */
function places(left, right, count) {
  const even = Array.from({ length: count }, (_, i) => left + (right - left) * i / (count - 1));
  return [...even, -1e-9, 1e-9].filter(x => left <= x && x <= right).sort((a, b) => a - b);
}

class Chord extends Figure {
  build() {
    this.whole = this.scale("whole");
    this.near = this.scale("near");
    this.inputs = [0, 1].map(i => this.handle(["Left input", "Right input"][i], [`input-${i}`], {
      to: x => this.move(i, this.whole.ofX(x)),
      by: (dx, dy) => this.move(i, this.state[i] + (dx + dy) / 10),
    }));
  }

  accept(values) {
    const { ends: [low, high], least, names } = this.given;
    const [left, right] = values.slice(0, 2).map(value => round(Number(value), 5));
    const apart = right - left >= least - 1e-9 && left >= low && right <= high;
    const known = Object.keys(names).includes(values[2]) && values.length === 3;
    return apart && known && !values.includes("") ? [left, right, values[2]] : null;
  }

  /** Move one input; the other stays, and so does their order. */
  move(i, x) {
    const [left, right, name] = this.state, [low, high] = this.given.ends, { least } = this.given;
    if (i) this.set([left, round(clamp(x, left + least, high), 2), name]);
    else this.set([round(clamp(x, low, right - least), 2), right, name]);
  }

  draw() {
    const [left, right, name] = this.state;
    this.slope = SLOPES[name];
    this.slopes = [left, right].map(this.slope);
    this.mean = mean(this.slopes);
    this.atMean = this.slope(mean([left, right]));
    this.gap = this.mean - this.atMean;
    this.drawWhole(left, right, name);
    this.drawNear(left, right);
    this.inputs.forEach((handle, i) => {
      const { least, ends: [low, high] } = this.given, x = this.state[i];
      const range = i ? [round(left + least, 5), high] : [low, round(right - least, 5)];
      this.say(handle, `${general(x)}, slope ${fixed(this.slopes[i], 4)}`, x, ...range);
    });
  }

  drawWhole(left, right, name) {
    const { whole } = this, top = this.given.tops[name], y = slope => whole.y(slope * whole.high / top);
    /** @returns {[number, number]} */
    const at = x => [whole.x(x), y(this.slope(x))];
    this.write("heading", this.given.names[name]);
    [0, 0.1, 0.2].forEach((tick, i) => this.write(`tick-${i}`, general(tick * top / whole.high)));
    this.line("whole-curve", places(whole.left, whole.right, 121).map(at));
    this.line("whole-chord", [at(left), at(right)]);
    // Inputs close together are taken hold of from outside.
    const aside = Math.max(0, REACH - (at(right)[0] - at(left)[0]) / 2);
    [left, right].forEach((x, i) => {
      this.put(`input-${i}`, ...at(x));
      this.inputs[i].put(...at(x), i ? aside : -aside);
    });
    this.drawFrame(left, right, y);
  }

  /** Frame what the lens shows: the inputs stand in it at 0 and 1, so does the curve between them. */
  drawFrame(left, right, y) {
    const { whole, near } = this, between = places(left, right, 31).map(this.slope);
    const low = Math.min(...between), height = Math.max(...between) - low || 1, width = right - left;
    this.lens = slope => near.y((slope - low) / height);
    const [west, east] = [near.left, near.right]
      .map(t => whole.x(clamp(left + t * width, whole.left, whole.right)));
    const [bottom, top] = [near.low, near.high]
      .map(t => clamp(y(low + t * height), whole.y(whole.high), whole.y(0)));
    this.line("frame", [[west, bottom], [east, bottom], [east, top], [west, top], [west, bottom]]);
    this.line("tie-0", [[west, bottom], [near.x(near.left), near.y(near.high)]]);
    this.line("tie-1", [[east, bottom], [near.x(near.right), near.y(near.high)]]);
  }

  drawNear(left, right) {
    const { near, lens } = this, width = right - left, at = t => this.slope(left + t * width);
    const curve = places(left + near.left * width, left + near.right * width, 61);
    this.line("near-curve", curve.map(x => [near.x((x - left) / width), lens(this.slope(x))]));
    this.line("near-chord", [0, 1].map(t => [near.x(t), lens(at(t))]));
    const dots = this.piece("near-chord").querySelectorAll("use");
    dots.forEach((dot, t) => dot.setAttribute("y", String(lens(at(t)))));
    this.put("mean", near.x(0.5), lens(this.mean));
    this.put("at-mean", near.x(0.5), lens(this.atMean));
    this.drawGap(near.x(0.5), lens(this.mean), lens(this.atMean));
    this.slopes.forEach((slope, i) => {
      this.write(`x-${i}`, `x = ${general(this.state[i])}`);
      this.write(`slope-${i}`, `slope ${fixed(slope, 4)}`);
    });
    this.write("mean-input", `mean ${general(mean([left, right]))}`);
  }

  /** Draw the gap, and the words: mirrored where the chord rises, so that they stand off the curve. */
  drawGap(x, meanY, atMeanY) {
    const side = this.slopes[1] > this.slopes[0] ? -1 : 1, { aside } = this.given;
    const asideX = this.near.x(side > 0 ? aside : 1 - aside), middle = (meanY + atMeanY) / 2;
    this.line("gap", [[x, meanY], [x, atMeanY]]);
    this.line("gap-aside", [[asideX, meanY], [asideX, atMeanY]]);
    this.line("mean-level", [[x, meanY], [asideX, meanY]]);
    this.line("at-mean-level", [[x, atMeanY], [asideX, atMeanY]]);
    this.write("gap-text", `gap ${fixed(this.gap, 4)}`);
    this.put("gap-text", asideX, middle);
    this.beside(this.text("gap-text"), asideX, middle, offset(this.text("gap-text")), side);
    this.write("mean-value", fixed(this.mean, 4));
    this.write("at-mean-value", fixed(this.atMean, 4));
    for (const line of ["name", "value"]) {
      const ids = [`at-mean-${line}`, `mean-${line}`], [atMean, mean] = ids.map(id => this.text(id));
      this.put(ids[0], x, atMeanY);
      this.put(ids[1], x, meanY);
      // As drawn the slope at the mean is the upper one.
      const [above, below] = this.gap > 0 ? [offset(mean), offset(atMean)] : [offset(atMean), offset(mean)];
      this.beside(atMean, x, atMeanY, above, side);
      this.beside(mean, x, meanY, below, side);
    }
  }

  sentence() {
    const atMean = `slope at the averaged input ${fixed(this.atMean, 4)}`;
    return `mean of the slopes ${fixed(this.mean, 4)}, ${atMean}, gap ${fixed(this.gap, 4)}`;
  }
}

customElements.define("gx-chord", Chord);
