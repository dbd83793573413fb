// Makes the state from which the page of the DCGAN can start: `explorer/step-300.f16`. Needs Node 20, and a minute.
//
//     python site/pack.py build/explorer
//     node site/snapshot.js build/explorer/clothes.z
//
// It is the page's own training (recipe, seed 0, batches of 16 of its 2,000 photographs), stopped after 300 steps: the
// numbers of G, of D and of G's moving average, with BatchNorm's statistics, each as a float16. Adam's means of slopes
// are left out, which would take as much again: on the page they start anew.

import { readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { inflateSync } from "node:zlib";

import { DCGAN } from "./explorer/dcgan.js";

const STEPS = 300;
const BATCH_SIZE = 16;

/** The bits of the float16 that is next to a number of moderate size. */
function toFloat16(value) {
  const sign = value < 0 ? 0x8000 : 0;
  const size = Math.abs(value);
  const exponent = Math.max(-14, Math.floor(Math.log2(size))); // of 2; below it the steps are even
  // A fraction that is rounded up to 1024 more carries over into the exponent, as it should.
  const fraction = Math.round(size * 2 ** (10 - exponent));
  return sign + (fraction < 1024 ? fraction : ((exponent + 14) << 10) + fraction);
}

const photos = Float32Array.from(inflateSync(readFileSync(argv[2])), (byte) => byte / 127.5 - 1);
const game = new DCGAN({ seed: 0 });
for (let n = 1; n <= STEPS; n++) {
  const { dLoss, gLoss } = game.step(game.pick(photos, BATCH_SIZE));
  if (n % 50 === 0) console.log(`step ${n}: losses ${dLoss.toFixed(3)} of D, ${gLoss.toFixed(3)} of G`);
}
const numbers = game.variables.flatMap((variable) => Array.from(variable));
const file = new URL(`explorer/step-${STEPS}.f16`, import.meta.url);
writeFileSync(file, Uint16Array.from(numbers, toFloat16));
console.log(`${file.pathname}: ${numbers.length} numbers`);
