// The page of the DCGAN that trains in the browser. The training runs in dcgan-worker.js, so the page stays smooth.

import {
  $, Rates, linkRules, linkState, onSeed, say, savesFilm, seed, setSeed, showNumbers, showRunning, tell,
} from "./panel.js";
import { Film, clear, paint, pngOf, save, toBytes } from "./picture.js";
import { drawLosses } from "./plot.js";
import { copies, fromAddress, oneOf, toAddress } from "./share.js";

const SIZE = 28;
const ACROSS = 5; // pictures in a row
const RATES = [1.5e-5, 5e-5, 1.5e-4, 5e-4, 1.5e-3, 5e-3, 1.5e-2];
const PRESET = { gRate: 1.5e-3, dRate: 1.5e-3 };
const SLOW_G = { gRate: 1.5e-5, dRate: 1.5e-3 }; // a hundredth, as in notebook 07
const SLOW_D = { gRate: 1.5e-3, dRate: 1.5e-5 };
const STARTS = [300, 0]; // the steps at which a training can start
const GOAL = 900; // steps, after which clothes can be named
const DEAR = 100; // steps that nobody should lose by closing the tab in error
const title = document.title;

const worker = new Worker("dcgan-worker.js", { type: "module" });
const rates = new Rates(RATES, () => {
  worker.postMessage({ do: "rates", ...rates.get() });
  toAddress(state);
});
let running = false;
let begun = false; // whether the photographs are there
let number = 0; // of the training: what is told of an earlier one comes too late
let film = new Film();
let filmed; // the step whose picture it has last
let shownNow; // all pictures as one, as they are now
let made = 0; // steps that this page made

worker.addEventListener("message", ({ data }) => {
  if (data.problem) return failed(data.problem);
  if (data.photos) return begin(data);
  if (data.number === number) draw(data);
});
worker.addEventListener("error", () => complain("The training could not start: this browser may be too old for it."));

function complain(sentence) {
  $("loading").hidden = true;
  $("problem").textContent = sentence;
}

function failed(problem) {
  complain(`What the training needs could not be loaded (${problem}).`);
  if (!from() || !begun) return;
  $("from-0").checked = true; // without the state of step 300, it can start from nothing
  reset();
}

function begin({ photos, count }) {
  begun = true;
  paintAll($("photos"), photos);
  $("photos").setAttribute("aria-label", `Ten of the ${count.toLocaleString("en")} photographs`);
  reset();
}

function paintAll(canvas, pictures) {
  const count = pictures.length / SIZE ** 2;
  for (let n = 0; n < count; n++) {
    const picture = pictures.subarray(n * SIZE ** 2, (n + 1) * SIZE ** 2);
    paint(canvas, picture, SIZE, Math.floor(n / ACROSS), n % ACROSS);
  }
}

/** 25 pictures, one after another, as one picture: five in a row. */
function mosaic(pictures) {
  const side = ACROSS * SIZE;
  return Float32Array.from({ length: side ** 2 }, (_, n) => {
    const [row, column] = [Math.floor(n / side), n % side];
    const picture = Math.floor(row / SIZE) * ACROSS + Math.floor(column / SIZE);
    return pictures[picture * SIZE ** 2 + (row % SIZE) * SIZE + (column % SIZE)];
  });
}

/** Shows what the worker tells. */
function draw({ steps, last, curves, pictures, variety, msPerStep }) {
  $("loading").hidden = true;
  $("game").inert = false;
  paintAll($("pictures"), pictures);
  drawLosses($("losses"), curves, "steps");
  shownNow = pictures;
  made = steps - curves.first;
  if (steps !== filmed) film.add(() => toBytes(mosaic(pictures)));
  filmed = steps;
  const numbers = {
    steps: steps.toLocaleString("en"),
    ms: msPerStep?.toFixed(0),
    variety: `${(100 * variety).toFixed(0)}%`,
  };
  showNumbers(numbers, "steps", last);
  showTime(steps, numbers.steps, msPerStep);
  const sentence = `Step ${numbers.steps}: the variety of the pictures is ${numbers.variety} of that of photographs.`;
  $("pictures").setAttribute("aria-label", `25 pictures by the generator. ${sentence}`);
  say(sentence, running);
}

/** Says how far it is, and how long it takes until clothes can be named; in the tab's title too, for who reads on. */
function showTime(steps, told, msPerStep) {
  const seconds = ((GOAL - steps) * msPerStep) / 1000;
  const rounded = seconds < 90 ? `${Math.max(10, 10 * Math.round(seconds / 10))} seconds` : `${Math.round(seconds / 60)} minutes`;
  const usual = Object.entries(PRESET).every(([name, rate]) => rates.get()[name] === rate);
  const left = msPerStep && usual ? `: about ${rounded} left until you can name some clothes` : "";
  $("time").textContent = steps < GOAL ? `Step ${told} of ${GOAL}${left}.` : `Step ${told}. It goes on until you pause.`;
  $("progress").value = Math.min(steps, GOAL);
  document.title = running ? `Step ${told} – ${title}` : title;
}

// ---- controls

const from = () => Number(/** @type {any} */ (document.querySelector("input[name=from]:checked")).value);

function reset() {
  film = new Film();
  filmed = undefined;
  number += 1;
  worker.postMessage({ do: "reset", number, seed: seed(), from: from(), ...rates.get() });
  toAddress(state);
}

function run(on) {
  running = on;
  worker.postMessage({ do: "run", on });
  showRunning(on);
}

/** A new game from nothing: what these rates do is seen from the beginning. */
function play(newRates) {
  rates.set(newRates);
  $("from-0").checked = true;
  run(false);
  reset();
  run(true);
}

$("start").addEventListener("click", () => run(!running));
$("one").addEventListener("click", () => {
  run(false);
  worker.postMessage({ do: "step" });
});
for (const [id, event] of [["reset", "click"], ["from", "change"]]) {
  $(id).addEventListener(event, () => {
    run(false);
    reset();
  });
}
onSeed(reset);
$("pictures-by").addEventListener("change", ({ target }) => worker.postMessage({ do: "show", which: target.value }));
$("preset").addEventListener("click", () => play(PRESET));
$("slow-g").addEventListener("click", () => play(SLOW_G));
$("slow-d").addEventListener("click", () => play(SLOW_D));
$("png").addEventListener("click", async () => {
  save(await pngOf($("pictures"), 560), "dcgan.png");
  tell("Saved dcgan.png.");
});
savesFilm(() => film.gif(toBytes(mosaic(shownNow)), ACROSS * SIZE, 280), "dcgan.gif");

addEventListener("beforeunload", (event) => {
  if (made >= DEAR) event.preventDefault(); // the browser asks
});

// ---- links

const state = () => ({ start: from(), ...linkState(rates) });

copies($("copy"), state, tell);
const { values, sentence } = fromAddress({ start: oneOf(STARTS), ...linkRules(RATES) });
$("problem").textContent = sentence;
$(`from-${values.start ?? STARTS[0]}`).checked = true;
setSeed(values.seed ?? 0);
rates.set({ gRate: values.g ?? PRESET.gRate, dRate: values.d ?? PRESET.dRate });
clear($("pictures"), ACROSS * SIZE);
