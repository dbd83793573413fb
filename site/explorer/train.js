// The ring game of notebook 01, trained here: two small dense networks, and one move of both.
// A batch of points is one flat array, row after row. Nothing here knows the page.

import { Dense, ReLU, glorot } from "./layers.js";
import { Network, Players } from "./network.js";
import { normal, uniform } from "./random.js";

export const LATENT_DIM = 8;
export const UNITS = 128;
export const SPREAD = 0.08; // standard deviation of the points of a heap, along each axis
export const CENTERS = Array.from({ length: 8 }, (_, n) => [Math.cos((n * Math.PI) / 4), Math.sin((n * Math.PI) / 4)]);

export function realPoints(count, random) {
  const points = normal(random, 2 * count);
  for (let n = 0; n < count; n++) {
    const center = CENTERS[Math.floor(8 * random())];
    for (const axis of [0, 1]) points[2 * n + axis] = center[axis] + SPREAD * points[2 * n + axis];
  }
  return points;
}

/** A dense network with two hidden ReLU layers. */
function buildNetwork(random, inputs, outputs) {
  return new Network([
    new Dense(random, inputs, UNITS, true, glorot),
    new ReLU(),
    new Dense(random, UNITS, UNITS, true, glorot),
    new ReLU(),
    new Dense(random, UNITS, outputs, true, glorot),
  ]);
}

export class Game extends Players {
  constructor({ seed = 0, gRate = 5e-4, dRate = 1e-3, batchSize = 256 } = {}) {
    const random = uniform(seed);
    super(buildNetwork(random, LATENT_DIM, 2), buildNetwork(random, 2, 1), gRate, dRate);
    this.random = random;
    this.batchSize = batchSize;
    this.moves = 0;
  }

  move(real = realPoints(this.batchSize, this.random), z = normal(this.random, this.batchSize * LATENT_DIM)) {
    this.moves += 1;
    return this.play(real, z);
  }
}

/** The share of the points on each heap: within 3 SPREAD of its center. Notebook 01 counts a heap from 2% on. */
export function sharesOfHeaps(points) {
  const shares = new Array(8).fill(0);
  for (let n = 0; n < points.length; n += 2) {
    const distances = CENTERS.map(([x, y]) => Math.hypot(points[n] - x, points[n + 1] - y));
    const nearest = distances.indexOf(Math.min(...distances));
    if (distances[nearest] < 3 * SPREAD) shares[nearest] += 2 / points.length;
  }
  return shares;
}

export const captured = (shares) => shares.filter((share) => share >= 0.02).length;
