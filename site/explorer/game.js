// The page of the ring game: trains between two frames of the screen for as long as the page stays smooth, then draws.

import { drawLosses, drawPlane, gridPoints } from "./plot.js";
import { Game, LATENT_DIM, captured, realPoints, sharesOfHeaps } from "./train.js";
import { normal, uniform } from "./random.js";

const RATES = [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1];
const NOTEBOOK = { gRate: 5e-4, dRate: 1e-3 };
const COLLAPSE = { gRate: 5e-3, dRate: 1e-4 };
const BATCH_SIZE = 64;
const EVERY = 5; // moves whose losses are averaged into one point of the curve
const TRAIN_MS = 30; // of each turn; the rest is the page's
const DRAW_MS = 200; // from one drawing to the next
const TELL_MS = 5000; // from one sentence for screen readers to the next

const $ = (id) => document.getElementById(id);
const grid = gridPoints();
const shownReal = realPoints(300, uniform(10));
const watched = normal(uniform(11), 500 * LATENT_DIM); // latent vectors of the fakes that are drawn and counted

let game, last, curves, sums, timer;
let drawn = 0;
let told = 0;

function reset() {
  game = new Game({ seed: Number($("seed").value) || 0, ...rates(), batchSize: BATCH_SIZE });
  last = null;
  curves = { dLoss: [], gLoss: [] };
  sums = { dLoss: 0, gLoss: 0 };
  draw();
}

function move() {
  last = game.move();
  for (const name of ["dLoss", "gLoss"]) {
    sums[name] += last[name];
    if (game.moves % EVERY) continue;
    curves[name].push(sums[name] / EVERY);
    sums[name] = 0;
  }
}

function turn() {
  const start = performance.now();
  while (performance.now() - start < TRAIN_MS) move();
  if (performance.now() - drawn > DRAW_MS) draw();
  timer = setTimeout(turn);
}

function draw() {
  drawn = performance.now();
  const fakes = game.generator.forward(watched).at(-1);
  const heaps = captured(sharesOfHeaps(fakes));
  drawPlane($("plane"), game.discriminator.forward(grid).at(-1), shownReal, fakes);
  drawLosses($("losses"), curves.dLoss, curves.gLoss, EVERY);
  const numbers = {
    moves: game.moves.toLocaleString("en"),
    heaps: `${heaps} of 8`,
    "d-loss": last?.dLoss.toFixed(3),
    "g-loss": last?.gLoss.toFixed(3),
    "on-real": last?.onReal.toFixed(2),
    "on-fakes": last?.onFakes.toFixed(2),
  };
  for (const [id, value] of Object.entries(numbers)) $(id).textContent = value ?? "–";
  const sentence = `Move ${numbers.moves}: ${heaps} of 8 heaps have fakes.`;
  $("plane").setAttribute("aria-label", `Real points in eight heaps on a ring, and fakes. ${sentence}`);
  if (last) {
    const label = `Losses over ${numbers.moves} moves, now ${numbers["d-loss"]} of D, ${numbers["g-loss"]} of G`;
    $("losses").setAttribute("aria-label", label);
  }
  if (performance.now() - told > TELL_MS || !timer) {
    told = performance.now();
    $("status").textContent = sentence;
  }
}

// ---- controls

const rates = () => ({ gRate: RATES[$("g-rate").value], dRate: RATES[$("d-rate").value] });

function setRates({ gRate, dRate }) {
  $("g-rate").value = RATES.indexOf(gRate);
  $("d-rate").value = RATES.indexOf(dRate);
  useRates();
}

function useRates() {
  for (const id of ["g-rate", "d-rate"]) {
    const rate = RATES[$(id).value].toFixed(5).replace(/0+$/, ""); // without 1e-5 and without trailing zeros
    $(`${id}-value`).value = rate;
    $(id).setAttribute("aria-valuetext", rate);
  }
  if (!game) return;
  game.gOptimizer.rate = rates().gRate;
  game.dOptimizer.rate = rates().dRate;
}

function run(on) {
  clearTimeout(timer);
  timer = on ? setTimeout(turn) : null;
  $("start").textContent = on ? "Pause" : "Start";
  $("start").setAttribute("aria-pressed", on);
  if (game) draw();
}

function play(newRates) {
  setRates(newRates);
  reset();
  run(true);
}

$("start").addEventListener("click", () => run(!timer));
$("one").addEventListener("click", () => {
  run(false);
  move();
  draw();
});
$("reset").addEventListener("click", () => {
  run(false);
  reset();
});
$("seed").addEventListener("change", reset);
$("g-rate").addEventListener("input", useRates);
$("d-rate").addEventListener("input", useRates);
$("healthy").addEventListener("click", () => play(NOTEBOOK));
$("collapse").addEventListener("click", () => play(COLLAPSE));

setRates(NOTEBOOK);
reset();
