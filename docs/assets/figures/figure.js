/* What every moving figure shares. Its drawing is the SVG that Python made; scales and data come
   with it. A figure's state is a list of values, and the address holds it: ?chord=0,1,tanh */

const SVG = "http://www.w3.org/2000/svg";
const PAUSE = 300; // ms without a move before the address and the announcement follow
export const REACH = 24; // how near a finger must come to a handle
/** @type {Record<string, [number, number]>} */
const KEYS = {
  ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
  PageUp: [0, 10], PageDown: [0, -10], Home: [-Infinity, 0], End: [Infinity, 0],
};

/** How far from its point a marker or a text was drawn, learned when it is first put somewhere. */
const offsets = new WeakMap();
const boxes = new WeakMap(); // and in which rows a bar

/** @param {Element} drawn @returns {[number, number]} */
export const offset = drawn => offsets.get(drawn);

/** @param {number[]} values */
export const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length;
/** @param {number} value @param {number[]} limits the low one and the high one */
export const clamp = (value, ...[low, high]) => Math.min(Math.max(value, low), high);
/** @param {number} value @param {number} digits */
export const round = (value, digits) => Number(value.toFixed(digits));

/** Write a number as Python's `number` does: with a true minus, and never as minus zero.
    @param {number} value @param {number} digits */
export const fixed = (value, digits) => signed(value.toFixed(digits));
/** @param {number} value */
export const general = value => signed(String(Number(value.toPrecision(6))));
/** @param {string} text */
const signed = text => Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");

/** @param {string} name @param {Record<string, string | number>} attributes */
export function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return /** @type {SVGGraphicsElement} */ (made);
}

/** Let no handle reach into another: each reaches halfway to its nearest one, where that is less. */
export function apart(handles) {
  const circles = handles.map(handle => handle.querySelector(".gx-reach"));
  const at = circles.map(circle => ["cx", "cy"].map(name => Number(circle.getAttribute(name))));
  circles.forEach((circle, i) => {
    const ways = at.filter(other => other !== at[i])
      .map(([x, y]) => Math.hypot(x - at[i][0], y - at[i][1]));
    circle.setAttribute("r", clamp(Math.min(...ways) / 2, 9, REACH));
  });
}

/** A figure defines the first four: build() comes once, draw() draws the state. */
export class Figure extends HTMLElement {
  build() {}

  draw() {}

  /** What has come of it, for those who listen. */
  sentence() {
    return "";
  }

  /** A valid state of these values, or null.
      @param {(string | number)[]} values @returns {(string | number)[] | null} */
  accept(values) {
    return values;
  }

  connectedCallback() {
    if (this.svg) return;
    this.name = this.localName.slice("gx-".length);
    this.svg = this.querySelector("svg");
    this.pending = 0;
    this.svg.setAttribute("role", "group"); // an image would hide its handles
    this.given = JSON.parse(this.dataset.given);
    this.buttons = [...this.querySelectorAll("button")];
    this.start = this.buttons[0].value.split(",");
    this.build();
    for (const button of this.buttons) button.onclick = () => this.press(button.value);
    this.show(this.accept(this.start));
    addEventListener("popstate", () => this.pending || this.restore());
    this.restore();
  }

  /** @param {string} id @returns {SVGGElement} */
  piece(id) {
    return this.svg.querySelector(`#${this.name.replaceAll("-", "_")}-${id}`);
  }

  /** Where the data of some axes stand in the drawing, and back; from where to where they go.
      @param {string} id */
  scale(id) {
    const numbers = this.piece(id).dataset.scale.split(" ").map(Number);
    const [x0, dx, left, right, y0, dy, low, high] = numbers;
    return {
      dx, left, right, low, high,
      x: (/** @type {number} */ x) => x0 + dx * x,
      y: (/** @type {number} */ y) => y0 + dy * y,
      ofX: (/** @type {number} */ x) => (x - x0) / dx,
      ofY: (/** @type {number} */ y) => (y - y0) / dy,
    };
  }

  /** @param {string} id */
  text(id) {
    return this.piece(id).querySelector("text");
  }

  /** @param {string} id @param {string} words */
  write(id, words) {
    this.text(id).textContent = words;
  }

  /** Put a marker or a text in its place. The first time it is as drawn: then a text's distance
      from its point is learned.
      @param {string} id @param {number} x @param {number} y */
  put(id, x, y) {
    for (const drawn of this.piece(id).querySelectorAll("use, text")) {
      const [left, top] = ["x", "y"].map(name => Number(drawn.getAttribute(name)));
      if (!offsets.has(drawn)) offsets.set(drawn, [left - x, top - y]);
      const [across, down] = offset(drawn);
      drawn.removeAttribute("transform"); // matplotlib turns each text by nothing
      drawn.setAttribute("x", String(x + across));
      drawn.setAttribute("y", String(y + down));
    }
  }

  /** Put a text beside its point; `side` is −1 if mirrored, to the left of it.
      @param {SVGTextElement} text @param {number} x @param {number} y
      @param {number[]} off @param {number} side */
  beside(text, x, y, [across, down], side) {
    text.setAttribute("x", String(x + side * across));
    text.setAttribute("y", String(y + down));
    text.style.textAnchor = side * across > 0 ? "start" : "end";
  }

  /** Put a text by its point, on the first of four sides, near or a line further, where it touches
      no other text, and no marker if that can be had; on this side of it, above or under, if it may choose.
      @param {string} id @param {number} x @param {number} y */
  place(id, x, y, side = 1, under = false) {
    this.put(id, x, y);
    const text = this.text(id), [across, down] = offset(text);
    for (const others of ["text, use", "text"])
      for (const far of [0, 14 * Math.sign(down)])
        for (const right of [side, -side])
          for (const below of [under, !under]) { // 9: the height of a letter
            this.beside(text, x, y, [across, below ? 9 - down - far : down + far], right);
            if (this.isFree(text, others)) return;
          }
  }

  /** @param {SVGTextElement} text @param {string} others */
  isFree(text, others) {
    const edges = (/** @type {DOMRect} */ { x, y, width, height }) => [x, y, x + width, y + height];
    const [left, top, right, bottom] = edges(text.getBBox());
    const [, , width, height] = edges(this.svg.viewBox.baseVal);
    const inside = left > 0 && top > 0 && right < width && bottom < height;
    return inside && [.../** @type {NodeListOf<SVGGraphicsElement>} */ (this.svg.querySelectorAll(others))].every(other => {
      const [x0, y0, x1, y1] = edges(other.getBBox());
      return other === text || left > x1 || x0 > right || top > y1 || y0 > bottom;
    });
  }

  /** Put a drawn part so far from where it was drawn. @param {string} id @param {number} dx */
  shift(id, dx) {
    this.piece(id).style.transform = `translateX(${dx}px)`;
  }

  /** @param {string} id @param {number[][]} points */
  line(id, points) {
    const path = points.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L");
    this.piece(id).querySelector("path").setAttribute("d", `M${path}`);
  }

  /** Draw a bar from one place to another, in the rows where it was drawn.
      @param {string} id @param {number} left @param {number} right */
  bar(id, left, right) {
    const bar = this.piece(id).querySelector("path");
    if (!boxes.has(bar)) boxes.set(bar, bar.getBBox());
    const { y, height } = boxes.get(bar);
    bar.setAttribute("d", `M${left} ${y}H${right}V${y + height}H${left}Z`);
    return bar;
  }

  /** Make drawn parts a handle. `to(x, y)` follows the pointer, `by(dx, dy)` the keys.
      @param {string} label @param {string[]} ids
      @param {{ to(x: number, y: number): void, by(dx: number, dy: number): void,
        drop?(): void, free?: boolean }} moves */
  handle(label, ids, { to, by, drop = () => {}, free = false }) {
    const slider = { role: "slider", tabindex: 0, "aria-label": label };
    const ring = element("circle", { class: "gx-ring", r: 9 });
    const reach = element("circle", { class: "gx-reach", r: REACH });
    const handle = Object.assign(element("g", { class: "gx-handle", ...slider }), {
      home: 0, // where a figure drew it
      put(/** @type {number} */ x, /** @type {number} */ y, aside = 0) {
        ring.setAttribute("cx", String(x));
        reach.setAttribute("cx", String(x + aside));
        for (const circle of [ring, reach]) circle.setAttribute("cy", String(y));
      },
    });
    handle.append(...ids.map(id => this.piece(id)), ring, reach);
    let grip = null, before; // where the handle was taken hold of, and in which state
    handle.onpointerdown = event => {
      if (event.button) return;
      const point = this.point(event.clientX, event.clientY), center = this.center(ring);
      grip = { x: point.x - center.x, y: point.y - center.y };
      before = this.state;
      handle.setPointerCapture(event.pointerId);
    };
    handle.onpointermove = event => {
      if (!grip) return;
      const point = this.point(event.clientX, event.clientY);
      to(point.x - grip.x, point.y - grip.y);
    };
    handle.onpointercancel = () => this.set(before); // the finger meant to scroll the page
    handle.onlostpointercapture = () => {
      grip = null;
      drop();
    };
    handle.onkeydown = event => {
      const step = KEYS[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      by(...step);
    };
    if (free) { // it goes up and down as well: the page has to wait
      handle.classList.add("gx-free");
      handle.addEventListener("touchstart", event => event.preventDefault(), { passive: false });
    }
    this.svg.append(handle);
    return handle;
  }

  /** Tell assistive technology where a handle stands. */
  say(handle, text, now, low, high) {
    const values = { valuetext: text, valuenow: now, valuemin: low, valuemax: high };
    for (const [key, value] of Object.entries(values)) handle.setAttribute(`aria-${key}`, value);
  }

  /** From the screen to the drawing. */
  point(x, y) {
    return new DOMPoint(x, y).matrixTransform(this.svg.getScreenCTM().inverse());
  }

  center(drawn) {
    const box = drawn.getBoundingClientRect();
    return this.point(box.x + box.width / 2, box.y + box.height / 2);
  }

  press(text) {
    this.set(text.split(",").map((part, i) => part === "" ? String(this.state[i]) : part));
  }

  /** Draw a state, and tell which of the buttons that choose one part of it is pressed. */
  show(state) {
    this.state = state;
    this.draw();
    for (const button of this.buttons) {
      const parts = button.value.split(",");
      if (parts.filter(part => part !== "").length === 1)
        button.ariaPressed = String(parts.every((part, i) => ["", String(state[i])].includes(part)));
    }
  }

  set(values) {
    this.show(this.accept(values));
    clearTimeout(this.pending);
    this.pending = setTimeout(() => this.settle(), PAUSE);
  }

  settle() {
    this.pending = 0;
    const url = new URL(location.href), state = this.state.join();
    if (state === this.start.join()) url.searchParams.delete(this.name);
    else url.searchParams.set(this.name, state);
    url.search = url.search.replaceAll("%2C", ",");
    history.replaceState(history.state, "", url);
    this.querySelector("output").textContent = this.sentence();
  }

  restore() {
    const text = new URLSearchParams(location.search).get(this.name);
    this.show((text && this.accept(text.split(","))) || this.accept(this.start));
  }
}
