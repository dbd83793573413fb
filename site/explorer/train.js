// The ring game of notebook 01, trained here: two small dense networks, and one move of both.
// A batch of points is one flat array, row after row. Nothing here knows the page.

import { Dense, ReLU, glorot } from "./layers.js";
import { slopesToReal } from "./losses.js";
import { Network, Players } from "./network.js";
import { normal, uniform } from "./random.js";

export const LATENT_DIM = 8;
export const UNITS = 128;
export const SPREAD = 0.08; // standard deviation of the points of a heap, along each axis
export const CENTERS = Array.from({ length: 8 }, (_, n) => [Math.cos((n * Math.PI) / 4), Math.sin((n * Math.PI) / 4)]);

/** Real points: each belongs to one of the heaps, which one is drawn at random. */
export function realPoints(count, random, centers = CENTERS) {
  const points = normal(random, 2 * count);
  for (let n = 0; n < count; n++) {
    const center = centers[Math.floor(centers.length * random())];
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
    this.centers = CENTERS; // of the heaps of real points, which a visitor may place
    this.moves = 0;
  }

  move(real = realPoints(this.batchSize, this.random, this.centers), z = normal(this.random, this.batchSize * LATENT_DIM)) {
    this.moves += 1;
    return this.play(real, z);
  }

  /**
   * Where each fake is pushed: down the slope of its part of G's loss. The way back through D ends at the fakes and
   * changes nothing.
   */
  pushes(fakes) {
    const slopes = this.discriminator.backward(slopesToReal(this.discriminator.forward(fakes)), false);
    return slopes.map((slope) => (-slope * fakes.length) / 2);
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

/** How many of some heaps have a fake within 3 SPREAD: there may be too many of them for 2% each. */
export function reached(points, centers) {
  const near = ([x, y]) => points.some((_, n) => n % 2 === 0 && Math.hypot(points[n] - x, points[n + 1] - y) < 3 * SPREAD);
  return centers.filter(near).length;
}
