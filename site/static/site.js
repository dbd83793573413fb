// What scrolls sideways can be reached with the keyboard, as long as it scrolls.
/** @returns {NodeListOf<HTMLElement>} */
const scrollers = () => document.querySelectorAll("article pre, article .table-wrapper, article div.math");
function makeReachable() {
  for (const each of scrollers()) {
    if (each.scrollWidth > each.clientWidth) each.tabIndex = 0;
    else each.removeAttribute("tabindex");
  }
}
addEventListener("load", makeReachable);
addEventListener("resize", makeReachable);
new ResizeObserver(makeReachable).observe(document.body); // formulas and folded solutions change what is wide
