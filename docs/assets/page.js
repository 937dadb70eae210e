/* Material puts each copy button into a landmark without a name, one for every block of code.
   They are no landmarks: a page has few, so that one can jump between them. */

const demote = () => {
  for (const nav of document.querySelectorAll("nav.md-code__nav")) nav.setAttribute("role", "none");
};
const page = document.querySelector(".md-content");
new MutationObserver(demote).observe(page, { childList: true, subtree: true });
demote();

/* Code that scrolls sideways can be reached by keyboard. The theme sees to it once the code is in
   view, which for Tab is too late. All is read before anything is written, or each block would have
   the page laid out. */

const scrolling = new ResizeObserver(changes => {
  const blocks = changes.map(change => change.target);
  const wide = new Set(blocks.filter(block => block.scrollWidth > block.clientWidth));
  for (const block of blocks) {
    if (wide.has(block)) block.setAttribute("tabindex", "0");
    else block.removeAttribute("tabindex");
  }
});
for (const code of document.querySelectorAll("pre > code")) scrolling.observe(code);

/* The search takes "no_sync:" for the name of a field and "-100" for a word to leave out, and finds
   nothing. A pasted question or message has both, so it gets them as spaces; the box keeps them. */

const box = document.querySelector("[data-md-component=search-query]");
const own = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
Object.defineProperty(box, "value", {
  get: () => own.get.call(box).replace(/:|(?<!\S)[+-](?=\S)/g, " "),
  set: (value) => own.set.call(box, value),
});

/* The window's scroll bars follow the palette that was picked. Where it is the system's own they do
   so already, and the page needn't be styled a second time. When the system changes its mind, the
   theme sets the palette again. */

const root = document.documentElement;
const follow = () => {
  const dark = document.body.dataset.mdColorScheme === "slate";
  const usual = matchMedia("(prefers-color-scheme: dark)").matches;
  root.style.colorScheme = dark === usual ? "" : dark ? "dark" : "light";
};
new MutationObserver(follow).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
follow();

/* A figure alone fills the window (#show-chord); what is behind it can neither be seen nor reached. */

const alone = () =>
  document.body.classList.toggle("gx-alone", document.querySelector(".gx-figure > :target") !== null);
for (const when of ["load", "hashchange"]) addEventListener(when, alone); // no sooner is it a target
