// A DCGAN for grey pictures of 28 x 28, trained here: the networks of dcgan_keras/models.py, the step of
// dcgan_keras/gan.py. Nothing here knows the page.

import { Adam } from "./adam.js";
import { BatchNorm, Conv, ConvTranspose, Dense, ReLU, Tanh } from "./layers.js";
import { bothLosses, slopesToFake, slopesToReal } from "./losses.js";
import { normal, uniform } from "./random.js";

export const SIZE = 28;
export const LATENT_DIM = 100;
const LEAK = 0.2; // what the discriminator's LeakyReLU lets through below 0

/** Layers one after another. */
export class Network {
  constructor(layers) {
    this.layers = layers;
    this.weights = layers.flatMap((layer) => layer.weights);
    this.gradients = layers.flatMap((layer) => layer.gradients);
    this.variables = layers.flatMap((layer) => [...layer.weights, ...layer.statistics]); // in Keras's order
  }

  forward(x, training = true) {
    return this.layers.reduce((map, layer) => layer.forward(map, training), x);
  }

  /** Goes back from the slope at the output. With `learn` it ends at the weights, without at the input. */
  backward(slope, learn) {
    for (let n = this.layers.length - 1; n >= 0; n--) slope = this.layers[n].backward(slope, learn, n > 0 || !learn);
    return slope;
  }

  zeroGradients() {
    for (const gradient of this.gradients) gradient.fill(0);
  }
}

/** latent vector -> 7 x 7 -> 14 x 14 -> 28 x 28, numbers from -1 to 1. */
export function buildGenerator(random, filters) {
  return new Network([
    new Dense(random, LATENT_DIM, 7 * 7 * 2 * filters, false),
    new BatchNorm(random, 2 * filters),
    new ReLU(),
    new ConvTranspose(random, 7, 2 * filters, filters, false),
    new BatchNorm(random, filters),
    new ReLU(),
    new ConvTranspose(random, 14, filters, 1, true),
    new Tanh(),
  ]);
}

/** 28 x 28 -> 14 x 14 -> 7 x 7 -> a logit. */
export function buildDiscriminator(random, filters) {
  return new Network([
    new Conv(random, 14, 1, filters, true),
    new ReLU(LEAK),
    new Conv(random, 7, filters, 2 * filters, false),
    new BatchNorm(random, 2 * filters),
    new ReLU(LEAK),
    new Dense(random, 7 * 7 * 2 * filters, 1, true),
  ]);
}

/** The two players, their optimizers, and the average generator that draws the pictures. */
export class DCGAN {
  constructor({ seed = 0, filters = 16, gRate = 1.5e-3, dRate = 1.5e-3, averageDecay = 0.995 } = {}) {
    this.random = uniform(seed);
    this.generator = buildGenerator(this.random, filters);
    this.discriminator = buildDiscriminator(this.random, filters);
    this.average = buildGenerator(this.random, filters);
    this.gOptimizer = new Adam(this.generator.weights, gRate);
    this.dOptimizer = new Adam(this.discriminator.weights, dRate);
    this.averageDecay = averageDecay;
    this.steps = 0;
    for (const [n, average] of this.average.variables.entries()) average.set(this.generator.variables[n]);
  }

  /** One step of both players, with `real` pictures (numbers from -1 to 1, one after another) and as many vectors. */
  step(real, z = normal(this.random, (real.length / SIZE ** 2) * LATENT_DIM)) {
    const { generator, discriminator } = this;
    generator.zeroGradients();
    discriminator.zeroGradients();

    // BatchNorm sees the real batch and the fake one apart, each with its own mean and variance. A layer goes back on
    // what it saw last, so D goes there and back on the real batch first.
    const fakes = generator.forward(z);
    const realLogits = discriminator.forward(real);
    discriminator.backward(slopesToReal(realLogits), true);
    const fakeLogits = discriminator.forward(fakes);
    discriminator.backward(slopesToFake(fakeLogits), true);

    // The slope of G's loss goes back through D to the fakes, and on through G.
    generator.backward(discriminator.backward(slopesToReal(fakeLogits), false), true);

    this.dOptimizer.apply(discriminator.gradients);
    this.gOptimizer.apply(generator.gradients);
    this.follow();
    this.steps += 1;
    return bothLosses(realLogits, fakeLogits);
  }

  /** Moves the average generator towards the trained one. Early steps count almost in full. */
  follow() {
    const decay = Math.min(this.averageDecay, (1 + this.steps) / (10 + this.steps));
    for (const [n, average] of this.average.variables.entries()) {
      const current = this.generator.variables[n];
      for (let i = 0; i < average.length; i++) average[i] = decay * average[i] + (1 - decay) * current[i];
    }
  }

  /** Draws latent vectors, one after another, with BatchNorm's moving averages: by the average generator, or by G. */
  draw(z, network = this.average) {
    return network.forward(z, false);
  }
}
