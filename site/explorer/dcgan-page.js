// The page of the DCGAN that trains in the browser. The training runs in dcgan-worker.js, so the page stays smooth.

import { $, Rates, say, seed, showNumbers, showRunning } from "./panel.js";
import { clear, paint, pngOf, save } from "./picture.js";
import { drawLosses } from "./plot.js";

const SIZE = 28;
const ACROSS = 5; // pictures in a row
const RATES = [1.5e-5, 5e-5, 1.5e-4, 5e-4, 1.5e-3, 5e-3, 1.5e-2];
const PRESET = { gRate: 1.5e-3, dRate: 1.5e-3 };
const SLOW_G = { gRate: 1.5e-5, dRate: 1.5e-3 }; // a hundredth, as in notebook 07
const SLOW_D = { gRate: 1.5e-3, dRate: 1.5e-5 };

const worker = new Worker("dcgan-worker.js", { type: "module" });
const rates = new Rates(RATES, () => worker.postMessage({ do: "rates", ...rates.get() }));
let running = false;

worker.addEventListener("message", ({ data }) => {
  if (data.problem) return complain(`The photographs could not be loaded (${data.problem}).`);
  if (data.photos) return begin(data);
  draw(data);
});
worker.addEventListener("error", () => complain("The training could not start: this browser may be too old for it."));

function complain(sentence) {
  $("loading").hidden = true;
  $("problem").textContent = sentence;
}

function begin({ photos, count }) {
  paintAll($("photos"), photos);
  $("photos").setAttribute("aria-label", `Ten of the ${count.toLocaleString("en")} photographs`);
  $("loading").hidden = true;
  $("game").inert = false;
  reset();
}

function paintAll(canvas, pictures) {
  const count = pictures.length / SIZE ** 2;
  for (let n = 0; n < count; n++) {
    const picture = pictures.subarray(n * SIZE ** 2, (n + 1) * SIZE ** 2);
    paint(canvas, picture, SIZE, Math.floor(n / ACROSS), n % ACROSS);
  }
}

/** Shows what the worker tells. */
function draw({ steps, last, curves, pictures, variety, msPerStep }) {
  paintAll($("pictures"), pictures);
  drawLosses($("losses"), curves, "steps");
  const numbers = {
    steps: steps.toLocaleString("en"),
    ms: msPerStep?.toFixed(0),
    variety: `${(100 * variety).toFixed(0)}%`,
  };
  showNumbers(numbers, "steps", last);
  const sentence = `Step ${numbers.steps}: the variety of the pictures is ${numbers.variety} of that of photographs.`;
  $("pictures").setAttribute("aria-label", `25 pictures by the generator. ${sentence}`);
  say(sentence, running);
}

// ---- controls

function reset() {
  worker.postMessage({ do: "reset", seed: seed(), ...rates.get() });
}

function run(on) {
  running = on;
  worker.postMessage({ do: "run", on });
  showRunning(on);
}

function play(newRates) {
  rates.set(newRates);
  reset();
  run(true);
}

$("start").addEventListener("click", () => run(!running));
$("one").addEventListener("click", () => {
  run(false);
  worker.postMessage({ do: "step" });
});
$("reset").addEventListener("click", () => {
  run(false);
  reset();
});
$("seed").addEventListener("change", reset);
$("pictures-by").addEventListener("change", ({ target }) => worker.postMessage({ do: "show", which: target.value }));
$("preset").addEventListener("click", () => play(PRESET));
$("slow-g").addEventListener("click", () => play(SLOW_G));
$("slow-d").addEventListener("click", () => play(SLOW_D));
$("png").addEventListener("click", async () => save(await pngOf($("pictures"), 560), "dcgan.png"));

rates.set(PRESET);
clear($("pictures"), ACROSS * SIZE);
