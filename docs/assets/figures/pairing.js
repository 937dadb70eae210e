/* Pairing: four errors change places; no average changes, the slope's gradient moves. */

import { Figure, clamp, element, general, mean } from "./figure.js";

class Pairing extends Figure {
  build() {
    this.errors = this.scale("traded-errors");
    this.gauge = this.scale("traded-gauge");
    this.seen = new Set();
    this.trail = element("g", { class: "gx-trail" });
    this.piece("traded-averaged").before(this.trail);
    this.handles = [];
    this.start.map(Number).forEach((error, place) => {
      const parts = ["error", "dot", "text"].map(part => `traded-${part}-${place}`);
      const handle = this.handle(`Error ${general(this.given.y[error])}`, parts, {
        by: (dx, dy) => this.trade(this.state, error, this.state.indexOf(error) + dx + dy),
        to: x => this.drag(error, x),
        drop: () => this.drop(),
      });
      handle.home = this.given.x[place];
      this.handles[error] = handle;
    });
  }

  accept(values) {
    const order = values.map(Number);
    return [...order].sort().join() === "0,1,2,3" ? order : null;
  }

  /** Let an error trade places with the one that stands at a place. */
  trade(order, error, place) {
    const from = order.indexOf(error), to = clamp(place, 0, order.length - 1);
    const traded = [...order];
    [traded[from], traded[to]] = [traded[to], traded[from]];
    this.set(traded);
  }

  drag(error, x) {
    this.held ??= { error, order: this.state };
    const place = clamp(Math.round(this.errors.ofX(x)), 0, 3);
    this.held.x = clamp(this.errors.ofX(x), -0.2, 3.2);
    this.trade(this.held.order, error, place);
  }

  drop() {
    this.held = null;
    this.draw();
  }

  press(text) {
    this.seen.clear();
    super.press(text);
  }

  draw() {
    const { x, y } = this.given, errors = this.state.map(error => y[error]);
    this.true = -2 * mean(errors.map((error, place) => x[place] * error));
    this.averaged = -2 * mean(x) * mean(errors);
    const averages = { input: mean(x), error: mean(errors), loss: mean(errors.map(r => r * r)) };
    this.averages = Object.entries(averages).map(([of, value]) => `mean ${of} ${general(value)}`);
    this.write("traded-averages", this.averages.join(" · "));
    const given = this.state.join() === "0,1,2,3";
    this.write("traded-heading", `The same four errors, ${given ? "as given" : "traded"}`);
    this.handles.forEach((handle, error) => this.drawError(handle, error));
    this.drawGauge();
  }

  drawError(handle, error) {
    const { x, y } = this.given, place = this.state.indexOf(error);
    const held = this.held?.error === error;
    const at = held ? this.held.x : x[place];
    handle.classList.toggle("gx-held", held);
    handle.style.transform = `translateX(${(at - handle.home) * this.errors.dx}px)`;
    handle.put(this.errors.x(handle.home), this.errors.y(y[error]));
    this.say(handle, `at x = ${general(x[place])}`, x[place], x[0], x[3]);
  }

  drawGauge() {
    const start = this.start.map(Number), { x, y } = this.given;
    const drawn = -2 * mean(start.map((error, place) => x[place] * y[error]));
    for (const id of ["traded-true", "traded-true-text"])
      this.shift(id, (this.true - drawn) * this.gauge.dx);
    this.write("traded-true-text", `true ${general(this.true)}`);
    this.seen.add(this.true);
    const at = value => ({ cx: this.gauge.x(value), cy: this.gauge.y(0), r: 3 });
    this.trail.replaceChildren(...[...this.seen].map(value => element("circle", at(value))));
  }

  sentence() {
    const moved = `true gradient ${general(this.true)}, averaged ${general(this.averaged)}`;
    return `${moved}; ${this.averages.join(", ")}`;
  }
}

customElements.define("gx-pairing", Pairing);
