// The page of the ring game: trains between two frames of the screen for as long as the page stays smooth, then draws.

import { Curves } from "./losses.js";
import { $, Rates, say, seed, showNumbers, showRunning } from "./panel.js";
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

const grid = gridPoints();
const shownReal = realPoints(300, uniform(10));
const watched = normal(uniform(11), 500 * LATENT_DIM); // latent vectors of the fakes that are drawn and counted

const rates = new Rates(RATES, () => {
  const { gRate, dRate } = rates.get();
  game.gOptimizer.rate = gRate;
  game.dOptimizer.rate = dRate;
});

let game, last, curves, timer;
let drawn = 0;

function reset() {
  game = new Game({ seed: seed(), ...rates.get(), batchSize: BATCH_SIZE });
  last = null;
  curves = new Curves(EVERY);
  draw();
}

function move() {
  last = game.move();
  curves.add(last);
}

function turn() {
  const start = performance.now();
  while (performance.now() - start < TRAIN_MS) move();
  if (performance.now() - drawn > DRAW_MS) draw();
  timer = setTimeout(turn);
}

function draw() {
  drawn = performance.now();
  const fakes = game.generator.forward(watched);
  const heaps = captured(sharesOfHeaps(fakes));
  drawPlane($("plane"), game.discriminator.forward(grid), shownReal, fakes);
  drawLosses($("losses"), curves, "moves");
  const moves = game.moves.toLocaleString("en");
  showNumbers({ moves, heaps: `${heaps} of 8` }, "moves", last);
  const sentence = `Move ${moves}: ${heaps} of 8 heaps have fakes.`;
  $("plane").setAttribute("aria-label", `Real points in eight heaps on a ring, and fakes. ${sentence}`);
  say(sentence, timer);
}

// ---- controls

function run(on) {
  clearTimeout(timer);
  timer = on ? setTimeout(turn) : null;
  showRunning(on);
  draw();
}

function play(newRates) {
  rates.set(newRates);
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
$("healthy").addEventListener("click", () => play(NOTEBOOK));
$("collapse").addEventListener("click", () => play(COLLAPSE));

rates.set(NOTEBOOK);
reset();
