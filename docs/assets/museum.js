/* The museum's gallery: found by words, class and state, in three orders, all of it in the address.
   Without it the page lists every bug, the newest first. */

const sieve = document.querySelector(".gx-sieve");
const list = document.querySelector(".gx-bugs");
const fields = /** @type {NodeListOf<HTMLInputElement | HTMLSelectElement>} */ (
  sieve.querySelectorAll("input, select"));
const bugs = /** @type {HTMLDetailsElement[]} */ ([...list.children]);
const words = new Map(bugs.map(bug => [bug, bug.textContent.toLowerCase()]));

const ORDERS = {
  day: (a, b) => b.day.localeCompare(a.day),
  off: (a, b) => Number(b.off) - Number(a.off),
  project: (a, b) => a.project.toLowerCase().localeCompare(b.project.toLowerCase()),
};

/** Show what the fields ask for, in their order. */
function sift() {
  const asked = Object.fromEntries([...fields].map(field => [field.name, field.value]));
  const sought = asked.find.toLowerCase().split(/\s+/);
  for (const bug of bugs) {
    const { kind, state } = bug.dataset;
    bug.hidden = !((!asked.kind || asked.kind === kind) && (!asked.state || asked.state === state)
      && sought.every(word => words.get(bug).includes(word)));
  }
  const ordered = bugs.toSorted((a, b) => ORDERS[asked.by](a.dataset, b.dataset));
  if (ordered.some((bug, k) => bug !== list.children[k])) list.append(...ordered);
  const shown = bugs.filter(bug => !bug.hidden).length;
  sieve.querySelector("output").value = `${shown} of ${bugs.length}`;
}

/** Take from the address what it asks for. */
function read() {
  const asked = new URLSearchParams(location.search);
  for (const field of fields) {
    field.value = asked.get(field.name) ?? "";
    if (field instanceof HTMLSelectElement && field.selectedIndex < 0) field.selectedIndex = 0;
  }
  sift();
  reveal();
}

/** Put into the address what the fields ask for, where it is not what they began with. */
function write() {
  const asked = new URLSearchParams(location.search);
  for (const field of fields) {
    const first = field instanceof HTMLSelectElement ? field.options[0].value : "";
    if (field.value === first) asked.delete(field.name);
    else asked.set(field.name, field.value);
  }
  const query = String(asked);
  history.replaceState(history.state, "", (query ? `?${query}` : location.pathname) + location.hash);
}

/** Open the entry that the address names, though the fields would hide it. */
function reveal() {
  const named = location.hash && document.getElementById(location.hash.slice(1));
  const bug = named && named.closest(".gx-bug");
  if (!(bug instanceof HTMLDetailsElement)) return;
  bug.hidden = false;
  bug.open = true;
  named.scrollIntoView();
}

for (const field of fields) field.addEventListener("input", () => { sift(); write(); });
addEventListener("hashchange", reveal);
addEventListener("popstate", read);
read();
