// Plays the ring game beside the page, on a core of its own, and tells the page how it stands.
//
// The page sends { do: "reset" | "rates" | "centers" | "run" | "step", ... }, and is sent what `tell` has.

import { Curves } from "./losses.js";
import { gridPoints } from "./plot.js";
import { normal, uniform } from "./random.js";
import { CENTERS, Game, LATENT_DIM, captured, reached, sharesOfHeaps } from "./train.js";

const BATCH_SIZE = 64;
const EVERY = 5; // moves whose losses are averaged into one point of the curve
const TRAIN_MS = 30; // from one look at the page's messages to the next
const TELL_MS = 150; // from one telling to the next, while it runs
const grid = gridPoints();
const watched = normal(uniform(11), 500 * LATENT_DIM); // latent vectors of the fakes that are drawn and counted

let number, game, last, curves, timer;
let centers = null; // of the heaps of real points, if the visitor placed them
let told = 0;

function move() {
  last = game.move();
  curves.add(last);
}

function turn() {
  const start = performance.now();
  while (performance.now() - start < TRAIN_MS) move();
  if (performance.now() - told > TELL_MS) tell();
  timer = setTimeout(turn);
}

function tell() {
  told = performance.now();
  const logits = game.discriminator.forward(grid);
  const fakes = game.generator.forward(watched);
  const heaps = centers ? reached(fakes, centers) : captured(sharesOfHeaps(fakes));
  postMessage({ number, moves: game.moves, last, curves, logits, fakes, pushes: game.pushes(fakes), heaps });
}

const commands = {
  reset({ number: its, seed, gRate, dRate }) {
    number = its;
    game = new Game({ seed, gRate, dRate, batchSize: BATCH_SIZE });
    game.centers = centers ?? CENTERS;
    last = null;
    curves = new Curves(EVERY);
  },
  step: move,
  rates({ gRate, dRate }) {
    game.gOptimizer.rate = gRate;
    game.dOptimizer.rate = dRate;
  },
  centers({ places }) {
    centers = places;
    game.centers = centers ?? CENTERS;
  },
  run({ on }) {
    clearTimeout(timer);
    if (on) timer = setTimeout(turn);
  },
};

addEventListener("message", ({ data }) => {
  commands[data.do](data);
  tell();
});
