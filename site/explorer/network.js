// Layers in a row, and the game of two such networks: the ring game's and that of the DCGAN. Nothing here knows a page.

import { Adam } from "./adam.js";
import { bothLosses, slopesToFake, slopesToReal } from "./losses.js";

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

/** The two players and their optimizers. */
export class Players {
  constructor(generator, discriminator, gRate, dRate) {
    this.generator = generator;
    this.discriminator = discriminator;
    this.gOptimizer = new Adam(generator.weights, gRate);
    this.dOptimizer = new Adam(discriminator.weights, dRate);
  }

  /** One step of both at once: both gradients come from the same forward pass, each player steps along its own. */
  play(real, z) {
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
    return bothLosses(realLogits, fakeLogits);
  }
}
