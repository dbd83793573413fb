// The page of the DCGAN that trains in the browser. The training runs in dcgan-worker.js, so the page stays smooth.

import { clear, paint, pngOf, save } from "./picture.js";
import { drawLosses } from "./plot.js";

const SIZE = 28;
const ACROSS = 5; // pictures in a row
const RATES = [1.5e-5, 5e-5, 1.5e-4, 5e-4, 1.5e-3, 5e-3, 1.5e-2];
const PRESET = { gRate: 1.5e-3, dRate: 1.5e-3 };
const SLOW_G = { gRate: 1.5e-5, dRate: 1.5e-3 }; // a hundredth, as in notebook 07
const SLOW_D = { gRate: 1.5e-3, dRate: 1.5e-5 };
const TELL_MS = 5000; // from one sentence for screen readers to the next

const $ = (id) => document.getElementById(id);
const worker = new Worker("dcgan-worker.js", { type: "module" });
let running = false;
let told = 0;

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
function draw({ steps, last, curves, every, pictures, variety, msPerStep }) {
  paintAll($("pictures"), pictures);
  drawLosses($("losses"), curves.dLoss, curves.gLoss, every, "steps");
  const numbers = {
    steps: steps.toLocaleString("en"),
    ms: msPerStep?.toFixed(0),
    "d-loss": last?.dLoss.toFixed(3),
    "g-loss": last?.gLoss.toFixed(3),
    "on-real": last?.onReal.toFixed(2),
    "on-fakes": last?.onFakes.toFixed(2),
    variety: `${(100 * variety).toFixed(0)}%`,
  };
  for (const [id, value] of Object.entries(numbers)) $(id).textContent = value ?? "–";
  const sentence = `Step ${numbers.steps}: the variety of the pictures is ${numbers.variety} of that of photographs.`;
  $("pictures").setAttribute("aria-label", `25 pictures by the generator. ${sentence}`);
  if (last) {
    const label = `Losses over ${numbers.steps} steps, now ${numbers["d-loss"]} of D, ${numbers["g-loss"]} of G`;
    $("losses").setAttribute("aria-label", label);
  }
  if (performance.now() - told > TELL_MS || !running) {
    told = performance.now();
    $("status").textContent = sentence;
  }
}

// ---- controls

const rates = () => ({ gRate: RATES[$("g-rate").value], dRate: RATES[$("d-rate").value] });

function reset() {
  worker.postMessage({ do: "reset", seed: Number($("seed").value) || 0, ...rates() });
}

function setRates({ gRate, dRate }) {
  $("g-rate").value = RATES.indexOf(gRate);
  $("d-rate").value = RATES.indexOf(dRate);
  nameRates();
}

function nameRates() {
  for (const id of ["g-rate", "d-rate"]) {
    const rate = RATES[$(id).value].toFixed(6).replace(/0+$/, ""); // without 1e-5 and without trailing zeros
    $(`${id}-value`).value = rate;
    $(id).setAttribute("aria-valuetext", rate);
  }
}

function run(on) {
  running = on;
  worker.postMessage({ do: "run", on });
  $("start").textContent = on ? "Pause" : "Start";
  $("start").setAttribute("aria-pressed", on);
}

function play(newRates) {
  setRates(newRates);
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
for (const id of ["g-rate", "d-rate"]) {
  $(id).addEventListener("input", () => {
    nameRates();
    worker.postMessage({ do: "rates", ...rates() });
  });
}
for (const radio of document.getElementsByName("network")) {
  radio.addEventListener("change", () => worker.postMessage({ do: "show", which: radio.value }));
}
$("preset").addEventListener("click", () => play(PRESET));
$("slow-g").addEventListener("click", () => play(SLOW_G));
$("slow-d").addEventListener("click", () => play(SLOW_D));
$("png").addEventListener("click", async () => save(await pngOf($("pictures"), 560), "dcgan.png"));

setRates(PRESET);
clear($("pictures"), ACROSS * SIZE);
