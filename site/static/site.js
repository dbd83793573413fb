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
const [STOP, PLAY, STEP, PICTURE] = document.documentElement.lang.startsWith("zh")
  ? ["停止动画", "播放动画", "逐帧查看动画", "第 N 帧，共 ALL 帧"]
  : ["Stop the film", "Play the film", "Step through the film", "picture N of ALL"];
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
  if ("ImageDecoder" in window) button.after(stepper(film, moving, button));
}

/** A slider that steps through a film. The film is taken apart when the slider is first used. */
function stepper(film, moving, button) {
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", className: "steps", min: 0, max: 100, value: 0, step: 1 });
  slider.setAttribute("aria-label", STEP);
  let opening, address;
  let asked = 0;
  button.addEventListener("click", () => (asked += 1)); // what is still being decoded comes too late
  slider.addEventListener("input", async () => {
    const mine = ++asked;
    button.textContent = PLAY;
    try {
      const decoder = await (opening ??= opened(moving));
      const last = decoder.tracks.selectedTrack.frameCount - 1;
      if (Number(slider.max) !== last) {
        const value = Math.round((slider.valueAsNumber / Number(slider.max)) * last);
        Object.assign(slider, { max: last, value });
      }
      const place = slider.valueAsNumber;
      slider.setAttribute("aria-valuetext", PICTURE.replace("N", `${place + 1}`).replace("ALL", `${last + 1}`));
      const { image } = await decoder.decode({ frameIndex: place });
      const canvas = new OffscreenCanvas(image.displayWidth, image.displayHeight);
      canvas.getContext("2d").drawImage(image, 0, 0);
      image.close();
      const picture = await canvas.convertToBlob();
      if (mine !== asked) return; // the slider has moved on
      URL.revokeObjectURL(address);
      film.src = address = URL.createObjectURL(picture);
    } catch {
      slider.remove(); // from a file, say, nothing can be fetched: the film is left as it is
      button.textContent = film.src === moving ? STOP : PLAY;
    }
  });
  return slider;
}

async function opened(film) {
  const data = await (await fetch(film)).arrayBuffer();
  const decoder = new ImageDecoder({ data, type: film.endsWith(".gif") ? "image/gif" : "image/webp" });
  await Promise.all([decoder.tracks.ready, decoder.completed]); // then all frames are counted
  return decoder;
}

// What is printed has its solutions open.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("article details")) each.setAttribute("open", "");
});
