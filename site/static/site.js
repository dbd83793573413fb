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
const [STOP, PLAY] = document.documentElement.lang.startsWith("zh")
  ? ["停止动画", "播放动画"]
  : ["Stop the film", "Play the film"];
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
    button.textContent = moves ? STOP : PLAY;
  };
  button.addEventListener("click", () => show(button.textContent === PLAY));
  show(!calm);
  film.after(button);
}

// What is printed has its solutions open.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("article details")) each.setAttribute("open", "");
});
