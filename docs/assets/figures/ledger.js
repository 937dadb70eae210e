/* Ledger: the inputs draw together; one weight's waterfall follows, and its gap closes. */

import { Figure, clamp, fixed, general, mean, round } from "./figure.js";

const sum = values => values.reduce((total, value) => total + value, 0);
const times = (u, v) => u.map((value, i) => value * v[i]);
const minus = (u, v) => u.map((value, i) => value - v[i]);
const forth = (W, a, b) => W.map((row, i) => sum(times(row, a)) + b[i]);
const back = (delta, W) => W[0].map((_, j) => sum(W.map((row, i) => delta[i] * row[j])));
const slopes = z => z.map(z => 1 - Math.tanh(z) ** 2);
const means = rows => rows[0].map((_, j) => mean(rows.map(row => row[j])));
const covariances = (us, vs) => {
  const [u, v] = [means(us), means(vs)];
  return means(us.map((row, i) => times(minus(row, u), minus(vs[i], v))));
};

/** Backprop one example through two tanh layers: z, slopes, what comes from above, deltas. */
function backprop(x, y, { weights: [W1, W2, W3], biases: [b1, b2, b3] }) {
  const z1 = forth(W1, [x], b1), z2 = forth(W2, z1.map(Math.tanh), b2);
  const output = [2 * (forth(W3, z2.map(Math.tanh), b3)[0] - y)], u2 = back(output, W3);
  const s1 = slopes(z1), s2 = slopes(z2), u1 = back(times(u2, s2), W2);
  return { x: [x], z1, z2, s1, s2, u1, u2, output, delta: times(u1, s1) };
}

/** Return one weight's gradient from averages, the terms of its gap, and its true gradient. */
function books(spread, given) {
  const { t, y, center, unit, weights: [, W2, W3] } = given;
  const traces = t.map((t, i) => backprop(center + spread * t, y[i], given));
  const all = name => traces.map(trace => trace[name]), average = name => means(all(name));
  const flat1 = slopes(average("z1")), flat2 = slopes(average("z2"));
  const above2 = back(average("output"), W3), above1 = back(times(above2, flat2), W2);
  const down = errors => times(back(errors, W2), average("s1"));
  const onWeight = errors => errors[unit] * average("x")[0];
  return {
    averaged: onWeight(times(above1, flat1)),
    terms: [
      covariances(all("delta").map(delta => [delta[unit]]), all("x"))[0],
      onWeight(down(covariances(all("u2"), all("s2")))),
      onWeight(down(times(above2, minus(average("s2"), flat2)))),
      onWeight(covariances(all("u1"), all("s1"))),
      onWeight(times(above1, minus(average("s1"), flat1))),
    ],
    true: mean(traces.map(({ x, delta }) => delta[unit] * x[0])),
  };
}

const BARS = ["averaged", "covariance", "gate-2", "curvature-2", "gate-1", "curvature-1", "true"];
const withSign = value => (value.toFixed(3) > 0 ? "+" : "") + fixed(value, 3);

class Ledger extends Figure {
  build() {
    this.waterfall = this.scale("waterfall");
    this.closing = this.scale("closing");
    this.hold = this.handle("Spread of the inputs", ["here-true"], {
      to: x => this.set([this.closing.ofX(x)]),
      by: (dx, dy) => this.set([this.state[0] + (dx + dy) / 20]),
    });
  }

  accept([spread, ...rest]) {
    const taken = round(clamp(Number(spread), 0, this.closing.right), 2);
    return spread !== "" && taken >= 0 && !rest.length ? [taken] : null;
  }

  draw() {
    const [spread] = this.state, found = books(spread, this.given);
    this.found = { ...found, gap: found.true - found.averaged, sum: sum(found.terms) };
    this.drawWaterfall(this.found);
    this.drawHere(spread, this.found);
    const [total, gap] = [this.found.sum, this.found.gap].map(withSign);
    this.write("sum", `terms together ${total} · gap ${gap}`);
    this.write("spread-text", `spread of the inputs; above, it is ${general(spread)}`);
    this.say(this.hold, `spread ${general(spread)}`, spread, 0, this.closing.right);
  }

  drawWaterfall({ averaged, terms, true: right }) {
    const { x, y } = this.waterfall;
    let level = 0;
    [averaged, ...terms].forEach((value, row) => {
      this.drawBar(row, level, level += value);
      this.line(`level-${row}`, [[x(level), y(row)], [x(level), y(row + 1)]]);
      this.write(`value-${row}`, row ? withSign(value) : fixed(value, 3));
    });
    this.drawBar(terms.length + 1, 0, right);
    this.write(`value-${terms.length + 1}`, fixed(right, 3));
  }

  /** Filled is positive, hollow is negative. */
  drawBar(row, start, end) {
    const bar = this.part(BARS[row]).querySelector("path");
    const [left, right] = [start, end].map(this.waterfall.x);
    bar.rows ??= bar.getBBox();
    const { y, height } = bar.rows;
    bar.setAttribute("d", `M${left} ${y}H${right}V${y + height}H${left}Z`);
    bar.style.fill = end > start ? bar.style.stroke : "var(--gx-paper)";
  }

  drawHere(spread, { true: right, averaged }) {
    const { closing } = this, x = closing.x(spread), text = this.text("gap-text");
    const [rightY, averagedY] = [right, averaged].map(closing.y), middle = (rightY + averagedY) / 2;
    this.line("here", [[x, averagedY], [x, rightY]]);
    this.put("here-averaged", x, averagedY);
    this.put("here-true", x, rightY);
    this.hold.put(x, rightY);
    this.put("gap-text", x, middle);
    this.beside(text, x, middle, text.off, spread > 1.2 ? -1 : 1);
    // The word stands where there is a gap to see.
    this.write("gap-text", Math.abs(rightY - averagedY) > 18 ? "gap" : "");
  }

  sentence() {
    const { true: right, averaged, sum, gap } = this.found;
    return `true gradient ${fixed(right, 3)}, averaged ${fixed(averaged, 3)}; `
      + `terms together ${withSign(sum)}, gap ${withSign(gap)}`;
  }
}

customElements.define("gx-ledger", Ledger);
