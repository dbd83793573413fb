// What scrolls sideways can be reached with the keyboard, as long as it scrolls.
/** @returns {NodeListOf<HTMLElement>} */
const scrollers = () => document.querySelectorAll("article pre, article .table-wrapper, article .math");
function makeReachable() {
  for (const each of scrollers()) {
    if (each.scrollWidth > each.clientWidth) each.tabIndex = 0;
    else each.removeAttribute("tabindex");
  }
}
addEventListener("load", makeReachable);
addEventListener("resize", makeReachable);
new ResizeObserver(makeReachable).observe(document.body); // formulas and folded solutions change what is wide

// Films stand still where the system asks for less motion, and can be stopped: the still is the last frame.
/** @type {NodeListOf<HTMLImageElement>} */
const films = document.querySelectorAll("img[data-still]");
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
for (const film of films) {
  const moving = film.src;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "stop";
  const show = (/** @type {boolean} */ moves) => {
    film.src = moves ? moving : (film.dataset.still ?? moving);
    button.textContent = moves ? "Stop the film" : "Play the film";
  };
  button.addEventListener("click", () => show(button.textContent === "Play the film"));
  show(!calm);
  film.after(button);
}

// What is printed has its solutions open.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("article details")) each.setAttribute("open", "");
});
