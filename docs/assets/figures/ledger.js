/* Ledger: the inputs draw together; one weight's waterfall follows, and its gap closes. */

import { Figure, clamp, fixed, general, offset, round } from "./figure.js";

const sum = values => values.reduce((total, value) => total + value, 0);
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
    const [spread] = this.state, numbers = this.given.numbers[Math.round(100 * spread)];
    const averaged = numbers[0], terms = numbers.slice(1, -1), right = numbers.at(-1);
    this.found = { averaged, terms, true: right, gap: right - averaged, sum: sum(terms) };
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
    const bar = this.bar(BARS[row], this.waterfall.x(start), this.waterfall.x(end));
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
    this.beside(text, x, middle, offset(text), spread > 1.2 ? -1 : 1);
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
