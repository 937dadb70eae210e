/* Loop: counts move, divisors are chosen; the weights are computed, the verdict is looked up. */

import { Figure, clamp, general, mean, round } from "./figure.js";

const three = value => general(Number((value + 1e-9).toPrecision(3)));

class Loop extends Figure {
  build() {
    this.counts = this.scale("counts");
    this.weights = this.scale("weights");
    this.knobs = [0, 1, 2, 3].map(i => this.handle(`Targets of micro-batch ${i + 1}`, [`knob-${i}`], {
      to: x => this.move(i, this.counts.ofX(x)),
      by: (dx, dy) => this.move(i, this.state[i] + dx + dy),
    }));
  }

  accept(values) {
    const choices = values.slice(4).join(), counts = values.slice(0, 4);
    if (!(choices in this.given.table) || counts.includes("") || counts.some(isNaN)) return null;
    return [...counts.map(n => round(clamp(Number(n), ...this.given.limits), 0)), ...values.slice(4)];
  }

  move(i, count) {
    this.set(this.state.with(i, count));
  }

  /** Return the weight of one target of each micro-batch, over the right one. */
  ratios(counts, each, workers, loop) {
    const total = counts.length * mean(counts), W = workers === "one" ? 1 : 2;
    const worker = i => Math.floor(i * W / counts.length);
    const share = i => counts.reduce((sum, n, j) => worker(j) === worker(i) ? sum + n : sum, 0);
    const then = {
      nothing: 1, steps: counts.length / W, total, share: total / W, workers: 1 / W,
    }[loop] * (workers === "mean" ? W : 1);
    return counts.map((n, i) =>
      total / { own: n, worker: share(i), all: total, nothing: 1 }[each] / then);
  }

  draw() {
    const counts = this.state.slice(0, 4), choices = this.state.slice(4);
    this.shown = this.ratios(counts, ...choices);
    this.scaled = Math.max(2, ...this.shown);
    counts.forEach((count, i) => this.drawRow(i, count, choices[1] !== "one"));
    const right = this.weights.x(1 / this.scaled);
    this.line("right", this.given.right.map(row => [right, this.weights.y(row)]));
    this.put("right-text", right, 0);
    this.drawVerdict(counts, choices);
  }

  drawRow(i, count, workers) {
    const x = this.counts.x(count), y = this.counts.y(i + this.given.bar);
    this.line(`count-${i}`, [[this.counts.x(0), y], [x, y]]);
    this.put(`knob-${i}`, x, y);
    this.knobs[i].put(x, y);
    this.write(`count-${i}-text`, `${count} targets${workers ? `, worker ${i < 2 ? 1 : 2}` : ""}`);
    const ends = [0, this.shown[i] / this.scaled].map(this.weights.x);
    this.line(`weight-${i}`, ends.map(x => [x, y]));
    this.write(`weight-${i}-text`, three(this.shown[i]));
    this.say(this.knobs[i], `${count} targets`, count, ...this.given.limits);
  }

  drawVerdict(counts, choices) {
    const [a, b, c, d] = counts, pattern = Number(a === b && c === d) + 2 * Number(a + b === c + d);
    const [title, toDo] = this.given.said[this.given.table[choices.join()][pattern]];
    const factor = mean(counts.map((n, i) => n * this.shown[i])) / mean(counts);
    const wrong = title !== "exact";
    this.verdict = title + (Math.abs(factor - 1) < 1e-9 ? "" : `, times ${three(factor)}`);
    this.write("verdict", `Verdict: ${this.verdict}`);
    this.text("verdict").style.fill = `var(--gx-${wrong ? "averaged" : "true"})`;
    this.write("to-do", toDo);
    this.write("fix", wrong ? this.given.fixes[choices[1]] : "");
  }

  sentence() {
    return `verdict on the averaged gradient: ${this.verdict}; one target weighs `
      + `${this.shown.map(three).join(", ")} times what it should`;
  }
}

customElements.define("gx-loop", Loop);
