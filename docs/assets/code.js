/* Material puts each copy button into a landmark without a name, one for every block of code.
   They are no landmarks: a page has few, so that one can jump between them. */

const demote = () => {
  for (const nav of document.querySelectorAll("nav.md-code__nav")) nav.setAttribute("role", "none");
};
const page = document.querySelector(".md-content");
new MutationObserver(demote).observe(page, { childList: true, subtree: true });
demote();
