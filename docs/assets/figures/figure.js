/* What every moving figure shares. Its drawing is the SVG that Python made; scales and data come
   with it. A figure's state is a list of values, and the address holds it: ?chord=0,1,tanh */

const SVG = "http://www.w3.org/2000/svg";
const PAUSE = 300; // ms without a move before the address and the announcement follow
export const REACH = 24; // how near a finger must come to a handle
const KEYS = {
  ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
  PageUp: [0, 10], PageDown: [0, -10], Home: [-Infinity, 0], End: [Infinity, 0],
};

export const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length;
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
export const round = (value, digits) => Number(value.toFixed(digits));

/** Write a number as Python's `number` does: with a true minus, and never as minus zero. */
export const fixed = (value, digits) => signed(value.toFixed(digits));
export const general = value => signed(String(Number(value.toPrecision(6))));
const signed = text => Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");

export function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
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

/** A figure defines: build(), once; accept(values), a valid state or null; draw(), the state;
    sentence(), what has come of it, for those who listen. */
export class Figure extends HTMLElement {
  connectedCallback() {
    if (this.svg) return;
    this.name = this.localName.slice("gx-".length);
    this.svg = this.querySelector("svg");
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

  part(id) {
    return this.svg.querySelector(`#${this.name.replaceAll("-", "_")}-${id}`);
  }

  /** Where the data of some axes stand in the drawing, and back; from where to where they go. */
  scale(id) {
    const numbers = this.part(id).dataset.scale.split(" ").map(Number);
    const [x0, dx, left, right, y0, dy, low, high] = numbers;
    return {
      dx, left, right, low, high, x: x => x0 + dx * x, y: y => y0 + dy * y,
      ofX: x => (x - x0) / dx, ofY: y => (y - y0) / dy,
    };
  }

  text(id) {
    return this.part(id).querySelector("text");
  }

  write(id, words) {
    this.text(id).textContent = words;
  }

  /** Put a marker or a text in its place. The first time it is as drawn: then a text's distance
      from its point is learned. */
  put(id, x, y) {
    for (const drawn of this.part(id).querySelectorAll("use, text")) {
      drawn.off ??= [drawn.getAttribute("x") - x, drawn.getAttribute("y") - y];
      drawn.removeAttribute("transform"); // matplotlib turns each text by nothing
      drawn.setAttribute("x", x + drawn.off[0]);
      drawn.setAttribute("y", y + drawn.off[1]);
    }
  }

  /** Put a text beside its point; `side` is −1 if mirrored, to the left of it. */
  beside(text, x, y, [across, down], side) {
    text.setAttribute("x", x + side * across);
    text.setAttribute("y", y + down);
    text.style.textAnchor = side * across > 0 ? "start" : "end";
  }

  /** Put a text by its point, on the first of four sides, near or a line further, where it touches
      no other text, and no marker if that can be had; on this side of it, above or under, if it may choose. */
  place(id, x, y, side = 1, under = false) {
    this.put(id, x, y);
    const text = this.text(id), [across, down] = text.off;
    for (const others of ["text, use", "text"])
      for (const far of [0, 14 * Math.sign(down)])
        for (const right of [side, -side])
          for (const below of [under, !under]) { // 9: the height of a letter
            this.beside(text, x, y, [across, below ? 9 - down - far : down + far], right);
            if (this.isFree(text, others)) return;
          }
  }

  isFree(text, others) {
    const edges = ({ x, y, width, height }) => [x, y, x + width, y + height];
    const [left, top, right, bottom] = edges(text.getBBox());
    const [, , width, height] = edges(this.svg.viewBox.baseVal);
    const inside = left > 0 && top > 0 && right < width && bottom < height;
    return inside && [...this.svg.querySelectorAll(others)].every(other => {
      const [x0, y0, x1, y1] = edges(other.getBBox());
      return other === text || left > x1 || x0 > right || top > y1 || y0 > bottom;
    });
  }

  /** Put a drawn part so far from where it was drawn. */
  shift(id, dx) {
    this.part(id).style.transform = `translateX(${dx}px)`;
  }

  line(id, points) {
    const path = points.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L");
    this.part(id).querySelector("path").setAttribute("d", `M${path}`);
  }

  /** Make drawn parts a handle. `to(x, y)` follows the pointer, `by(dx, dy)` the keys. */
  handle(label, ids, { to, by, drop = () => {}, free = false }) {
    const slider = { role: "slider", tabindex: 0, "aria-label": label };
    const handle = element("g", { class: "gx-handle", ...slider });
    const ring = element("circle", { class: "gx-ring", r: 9 });
    const reach = element("circle", { class: "gx-reach", r: REACH });
    handle.append(...ids.map(id => this.part(id)), ring, reach);
    handle.put = (x, y, aside = 0) => [[ring, x], [reach, x + aside]].forEach(([circle, x]) => {
      circle.setAttribute("cx", x);
      circle.setAttribute("cy", y);
    });
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
        button.ariaPressed = parts.every((part, i) => part === "" || part === String(state[i]));
    }
  }

  set(values) {
    this.show(this.accept(values));
    clearTimeout(this.pending);
    this.pending = setTimeout(() => this.settle(), PAUSE);
  }

  settle() {
    this.pending = 0;
    const url = new URL(location), state = this.state.join();
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
