// The ring game of notebook 01, trained here: two small dense networks, their gradients, one move of both.
// A batch of points is one flat array, row after row. Nothing here knows the page.

import { Adam } from "./adam.js";
import { bothLosses, slopesToFake, slopesToReal } from "./losses.js";
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

/** A dense network with two hidden ReLU layers. `sizes` is for example [8, 128, 128, 2]. */
export class Network {
  constructor(sizes, random) {
    this.layers = sizes.slice(1).map((outputs, n) => {
      const inputs = sizes[n];
      const limit = Math.sqrt(6 / (inputs + outputs)); // Keras's start: Glorot's uniform, biases 0
      const weights = new Float64Array(inputs * outputs).map(() => limit * (2 * random() - 1));
      return { inputs, outputs, weights, bias: new Float64Array(outputs) };
    });
  }

  /** Returns the activations of every layer, the input first, the output last. */
  forward(input) {
    const activations = [input];
    const count = input.length / this.layers[0].inputs;
    for (const [number, { inputs, outputs, weights, bias }] of this.layers.entries()) {
      const x = activations.at(-1);
      const y = new Float64Array(count * outputs);
      for (let row = 0; row < count; row++) {
        const out = y.subarray(row * outputs, (row + 1) * outputs);
        out.set(bias);
        for (let i = 0; i < inputs; i++) {
          const value = x[row * inputs + i];
          if (value === 0) continue; // half of what a ReLU lets through
          for (let o = 0, w = i * outputs; o < outputs; o++) out[o] += value * weights[w + o];
        }
      }
      if (number < this.layers.length - 1) for (let n = 0; n < y.length; n++) y[n] = Math.max(0, y[n]);
      activations.push(y);
    }
    return activations;
  }

  /**
   * Goes back from the slope of the loss at the output to that at the input.
   * Adds the slopes of the weights to `gradients`, if there are any.
   */
  backward(activations, slope, gradients) {
    for (let number = this.layers.length - 1; number >= 0; number--) {
      const { inputs, outputs, weights } = this.layers[number];
      const x = activations[number];
      const before = new Float64Array(x.length);
      const sums = gradients?.[number];
      for (let row = 0; row < x.length / inputs; row++) {
        const out = slope.subarray(row * outputs, (row + 1) * outputs);
        if (sums) for (let o = 0; o < outputs; o++) sums.bias[o] += out[o];
        for (let i = 0; i < inputs; i++) {
          const value = x[row * inputs + i];
          if (number > 0 && value === 0) continue; // a ReLU at rest: nothing passes, forwards or backwards
          const w = i * outputs;
          let sum = 0;
          for (let o = 0; o < outputs; o++) sum += weights[w + o] * out[o];
          before[row * inputs + i] = sum;
          if (sums) for (let o = 0; o < outputs; o++) sums.weights[w + o] += value * out[o];
        }
      }
      slope = before;
    }
    return slope;
  }

  /** The weights of all layers, as a list of arrays. */
  get weights() {
    return listed(this.layers);
  }

  zeroGradients() {
    return this.layers.map(({ weights, bias }) => ({
      weights: new Float64Array(weights.length),
      bias: new Float64Array(bias.length),
    }));
  }
}

const listed = (layers) => layers.flatMap(({ weights, bias }) => [weights, bias]);

/** The two players and their optimizers. */
export class Game {
  constructor({ seed = 0, gRate = 5e-4, dRate = 1e-3, batchSize = 256 } = {}) {
    this.random = uniform(seed);
    this.batchSize = batchSize;
    this.generator = new Network([LATENT_DIM, UNITS, UNITS, 2], this.random);
    this.discriminator = new Network([2, UNITS, UNITS, 1], this.random);
    this.gOptimizer = new Adam(this.generator.weights, gRate);
    this.dOptimizer = new Adam(this.discriminator.weights, dRate);
    this.moves = 0;
  }

  /** One move of both at once: both gradients come from the same forward pass, each player steps along its own. */
  move(real = realPoints(this.batchSize, this.random), z = normal(this.random, this.batchSize * LATENT_DIM)) {
    const { generator, discriminator } = this;
    const onLatents = generator.forward(z);
    const onFakes = discriminator.forward(onLatents.at(-1));
    const onReal = discriminator.forward(real);
    const [realLogits, fakeLogits] = [onReal.at(-1), onFakes.at(-1)];

    const dGradients = discriminator.zeroGradients();
    discriminator.backward(onReal, slopesToReal(realLogits), dGradients);
    discriminator.backward(onFakes, slopesToFake(fakeLogits), dGradients);

    // The slope of G's loss goes back through D to the fakes, and on through G.
    const fakeSlopes = discriminator.backward(onFakes, slopesToReal(fakeLogits));
    const gGradients = generator.zeroGradients();
    generator.backward(onLatents, fakeSlopes, gGradients);

    this.gOptimizer.apply(listed(gGradients));
    this.dOptimizer.apply(listed(dGradients));
    this.moves += 1;
    return bothLosses(realLogits, fakeLogits);
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
