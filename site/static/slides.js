// Slides, one at a time: keys, clicks, swipes and buttons. Without this file they scroll and snap all the same.
{
  /** @type {HTMLElement[]} */
  const slides = [...document.querySelectorAll("section")];
  const bar = document.querySelector("nav");
  const [back, next, colours, full] = bar.querySelectorAll("button");
  const root = document.documentElement;
  const controls = "a, button, input, pre[tabindex]";
  const places = () => slides.map((each) => each.getBoundingClientRect());

  /** The slide in the middle of the window, counted from 0. */
  const current = () => Math.max(0, places().findIndex((box) => box.bottom > innerHeight / 2));

  function go(/** @type {number} */ number) {
    const slide = slides[Math.min(Math.max(number, 0), slides.length - 1)];
    slide.scrollIntoView({ behavior: "instant", block: "start" });
    slide.focus({ preventScroll: true }); // so that it is read aloud
  }

  function fill() {
    if (document.fullscreenElement) document.exitFullscreen();
    else root.requestFullscreen();
  }

  function say() {
    const at = current();
    back.disabled = at === 0;
    next.disabled = at === slides.length - 1;
    return `#${slides[at].id}`;
  }

  const steps = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const target = /** @type {Element} */ (event.target);
    if (target.matches("input") || (event.key === " " && target.closest(controls))) return;
    if (event.key.startsWith("Arrow") && target.closest("pre[tabindex]")) return; // it scrolls
    const step = event.key === " " && event.shiftKey ? -1 : steps[event.key];
    const at = current();
    const box = places()[at];
    const more = step > 0 ? box.bottom > innerHeight + 2 : box.top < -2; // of a slide higher than the window
    if (step && !(more && !/^Arrow(Left|Right)$/.test(event.key))) go(at + step);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(slides.length - 1);
    else if (event.key.toLowerCase() === "f" && document.fullscreenEnabled) fill();
    else return;
    event.preventDefault();
  });

  document.querySelector("main").addEventListener("click", (event) => {
    const target = /** @type {Element} */ (event.target);
    if (target.closest(controls) || getSelection().toString()) return;
    go(current() + (event.clientX < innerWidth / 4 ? -1 : 1));
  });

  /** @type {Touch | undefined} */
  let finger;
  addEventListener("touchstart", (event) => (finger = event.touches.length === 1 ? event.touches[0] : undefined));
  addEventListener("touchend", (event) => {
    if (!finger || visualViewport.scale > 1 || /** @type {Element} */ (event.target).closest(controls)) return;
    const aside = event.changedTouches[0].clientX - finger.clientX;
    const along = event.changedTouches[0].clientY - finger.clientY;
    if (Math.abs(aside) > 50 && Math.abs(aside) > 2 * Math.abs(along)) go(current() + (aside < 0 ? 1 : -1));
  });

  back.addEventListener("click", () => go(current() - 1));
  next.addEventListener("click", () => go(current() + 1));
  colours.addEventListener("click", () => {
    const dark = getComputedStyle(root).getPropertyValue("--dark").trim() === "1";
    root.dataset.theme = dark ? "light" : "dark";
  });
  full.addEventListener("click", fill);
  full.hidden = !document.fullscreenEnabled;
  bar.hidden = false;
  const wanted = slides.findIndex((each) => `#${each.id}` === location.hash); // a slide's own address
  if (wanted > 0) go(wanted);
  addEventListener("scroll", () => history.replaceState(null, "", say()), { passive: true });
  say();
}
