// Trains the DCGAN beside the page, on a core of its own, and tells the page how the game stands.
//
// The page sends { do: "reset" | "rates" | "run" | "step" | "show", ... }, and is sent what `tell` has.

import { DCGAN, LATENT_DIM, SIZE } from "./dcgan.js";
import { fromFloat16 } from "./generator.js";
import { Curves } from "./losses.js";
import { normal, uniform } from "./random.js";

const PIXELS = SIZE ** 2;
const BATCH_SIZE = 16;
const EVERY = 5; // steps whose losses are averaged into one point of the curve
const TELL_MS = 400; // from one telling to the next, while it runs
const SHOWN = 25;
const watched = normal(uniform(11), SHOWN * LATENT_DIM); // latent vectors of the pictures that are shown

let photos, realSpread, number, game, last, curves, spent, timer;
let shown = "average";
let told = 0;
const states = new Map(); // of trainings, by their step: site/snapshot.js wrote them

async function opened(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${answer.url}: ${answer.status}`);
  return answer;
}

/** Fetches the photographs that site/pack.py wrote: numbers from 0 to 255, compressed. */
async function loadPhotos() {
  const bytes = (await opened("clothes.z")).body.pipeThrough(new DecompressionStream("deflate"));
  return Float32Array.from(new Uint8Array(await new Response(bytes).arrayBuffer()), (value) => value / 127.5 - 1);
}

/** Fetches once where a training stood after some steps. */
async function loadState(steps) {
  if (!states.has(steps)) {
    const answer = await opened(`step-${steps}.f16`);
    states.set(steps, fromFloat16(new Uint16Array(await answer.arrayBuffer())));
  }
  return states.get(steps);
}

function step() {
  const start = performance.now();
  last = game.step(game.pick(photos, BATCH_SIZE));
  curves.add(last);
  spent = [...spent.slice(-19), performance.now() - start];
}

/** How much pictures differ from one another: the standard deviation of a pixel among them, over all pixels. */
function spread(pictures) {
  const count = pictures.length / PIXELS;
  let squares = 0;
  for (let p = 0; p < PIXELS; p++) {
    let [sum, square] = [0, 0];
    for (let n = p; n < pictures.length; n += PIXELS) {
      sum += pictures[n];
      square += pictures[n] ** 2;
    }
    squares += (square - sum ** 2 / count) / (count - 1);
  }
  return Math.sqrt(squares / PIXELS);
}

function tell() {
  told = performance.now();
  const pictures = game.draw(watched, shown === "average" ? game.average : game.generator);
  const msPerStep = spent.length ? [...spent].sort((a, b) => a - b)[spent.length >> 1] : null;
  const variety = spread(pictures) / realSpread;
  postMessage({ number, steps: game.steps, last, curves, pictures, variety, msPerStep });
}

function turn() {
  step();
  if (performance.now() - told > TELL_MS) tell();
  timer = setTimeout(turn);
}

const commands = {
  /** from: the step whose state is loaded, or 0. */
  async reset({ number: its, seed, gRate, dRate, from }) {
    const state = from ? await loadState(from) : null;
    number = its;
    game = new DCGAN({ seed, gRate, dRate });
    if (state) game.goTo(from, state);
    last = null;
    curves = new Curves(EVERY, from);
    spent = [];
  },
  step,
  rates({ gRate, dRate }) {
    game.gOptimizer.rate = gRate;
    game.dOptimizer.rate = dRate;
  },
  run({ on }) {
    clearTimeout(timer);
    if (on) timer = setTimeout(turn);
  },
  show({ which }) {
    shown = which;
  },
};

// One after another: what follows a reset waits until its state is loaded.
let done = Promise.resolve();
addEventListener("message", ({ data }) => {
  done = done
    .then(() => commands[data.do](data))
    .then(tell)
    .catch((error) => postMessage({ problem: error.message }));
});

try {
  photos = await loadPhotos();
  realSpread = spread(photos);
  postMessage({ photos: photos.slice(0, 10 * PIXELS), count: photos.length / PIXELS });
} catch (error) {
  postMessage({ problem: error.message });
}
