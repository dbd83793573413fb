// A DCGAN for grey pictures of 28 x 28, trained here: the networks of dcgan_keras/models.py, the step of
// dcgan_keras/gan.py. Nothing here knows the page.

import { BatchNorm, Conv, ConvTranspose, Dense, ReLU, Tanh } from "./layers.js";
import { Network, Players } from "./network.js";
import { normal, uniform } from "./random.js";

export const SIZE = 28;
export const LATENT_DIM = 100;
const LEAK = 0.2; // what the discriminator's LeakyReLU lets through below 0

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

/** The two players, and the average generator that draws the pictures. */
export class DCGAN extends Players {
  constructor({ seed = 0, filters = 16, gRate = 1.5e-3, dRate = 1.5e-3, averageDecay = 0.995 } = {}) {
    const random = uniform(seed);
    super(buildGenerator(random, filters), buildDiscriminator(random, filters), gRate, dRate);
    this.random = random;
    this.average = buildGenerator(random, filters);
    this.averageDecay = averageDecay;
    this.steps = 0;
    for (const [n, average] of this.average.variables.entries()) average.set(this.generator.variables[n]);
  }

  /** Everything that a training is but Adam's two means: the numbers of G, of D and of G's average. */
  get variables() {
    return [this.generator, this.discriminator, this.average].flatMap(({ variables }) => variables);
  }

  /** Goes to where a training stood after some steps: `numbers` are its variables, one after another. */
  goTo(steps, numbers) {
    let at = 0;
    for (const variable of this.variables) {
      variable.set(numbers.subarray(at, at + variable.length));
      at += variable.length;
    }
    if (at !== numbers.length) throw new Error(`${numbers.length} numbers instead of ${at}`);
    this.steps = steps;
  }

  /** Draws a batch of photographs, at random: `photos` has them one after another. */
  pick(photos, count) {
    const pixels = SIZE ** 2;
    const real = new Float32Array(count * pixels);
    for (let n = 0; n < count; n++) {
      const photo = Math.floor(this.random() * (photos.length / pixels));
      real.set(photos.subarray(photo * pixels, (photo + 1) * pixels), n * pixels);
    }
    return real;
  }

  /** One step, with `real` pictures (numbers from -1 to 1, one after another) and as many latent vectors. */
  step(real, z = normal(this.random, (real.length / SIZE ** 2) * LATENT_DIM)) {
    const losses = this.play(real, z);
    this.follow();
    this.steps += 1;
    return losses;
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
