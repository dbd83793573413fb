// The layers of a DCGAN in training, forwards and backwards, as Keras computes them. Nothing here knows the networks.
//
// A batch of maps is one flat array, channels-last: the number at image n, row i, column j, channel c of maps of a size
// is x[((n * size + i) * size + j) * channels + c]. Each layer keeps what its way back needs, so a layer that has
// gone forwards on another batch cannot go back on the one before.
//
//   forward(x, training)        from the layer's input to its output
//   backward(slope, learn, on)  from the slope of the loss at the output to the slope at the input. `learn` adds the
//                               slopes of the weights to `gradients`; without `on` the slope at the input is not needed
//   weights, gradients          lists of arrays, what Adam changes and what it goes by
//   statistics                  moving averages, which no optimizer changes

import { forEachStamp } from "./generator.js";
import { normal } from "./random.js";

// Numbers have 32 bits, as in TensorFlow: a sixth faster here than 64. With 64, which a test asks for, two ways to
// compute the same agree to more digits.
let Numbers = Float32Array;
export const keepNumbersIn = (kind) => {
  Numbers = kind;
};

const TAPS = 16; // places of a kernel of 4 x 4
const START = 0.02; // standard deviation of a DCGAN's weights at the start (models.py, after arXiv 1511.06434)

/** Keras's start of a dense layer (Glorot and Bengio, 2010): as likely anywhere within a limit, on both sides of 0. */
export function glorot(random, inputs, outputs) {
  const limit = Math.sqrt(6 / (inputs + outputs));
  return Numbers.from({ length: inputs * outputs }, () => limit * (2 * random() - 1));
}

/** The start of a DCGAN's layers. */
const around0 = (random, ...sizes) =>
  Numbers.from(normal(random, sizes.reduce((a, b) => a * b)), (value) => START * value);

/**
 * Adds a matrix product: out[m, n] += sum over k of a[m, k] * b[k, n].
 *
 * `out` lies row by row. `a` and `b` come with two numbers each, how far it is from a row to the next and from a column
 * to the next: a transposed matrix is the same array with these two exchanged. The work is done in pieces of 2 x 4 of
 * `out`, which makes eight products of six numbers: three to four times as fast here as one row after another.
 */
export function addProduct(out, a, [aRow, aColumn], b, [bRow, bColumn], rows, columns, depth) {
  const wholeRows = rows - (rows % 2);
  const wholeColumns = columns - (columns % 4);
  for (let m = 0; m < wholeRows; m += 2) {
    for (let n = 0; n < wholeColumns; n += 4) {
      let s00 = 0, s01 = 0, s02 = 0, s03 = 0;
      let s10 = 0, s11 = 0, s12 = 0, s13 = 0;
      for (let k = 0, i = m * aRow, j = n * bColumn; k < depth; k++, i += aColumn, j += bRow) {
        const a0 = a[i], a1 = a[i + aRow];
        const b0 = b[j], b1 = b[j + bColumn], b2 = b[j + 2 * bColumn], b3 = b[j + 3 * bColumn];
        s00 += a0 * b0; s01 += a0 * b1; s02 += a0 * b2; s03 += a0 * b3;
        s10 += a1 * b0; s11 += a1 * b1; s12 += a1 * b2; s13 += a1 * b3;
      }
      let o = m * columns + n;
      out[o] += s00; out[o + 1] += s01; out[o + 2] += s02; out[o + 3] += s03;
      o += columns;
      out[o] += s10; out[o + 1] += s11; out[o + 2] += s12; out[o + 3] += s13;
    }
  }
  // What is left at the right edge and at the lower one.
  for (let m = 0; m < rows; m++) {
    for (let n = m < wholeRows ? wholeColumns : 0; n < columns; n++) {
      let sum = 0;
      for (let k = 0; k < depth; k++) sum += a[m * aRow + k * aColumn] * b[k * bRow + n * bColumn];
      out[m * columns + n] += sum;
    }
  }
}

/** What layers with a kernel share: it is a matrix, and there may be a bias for each channel of the output. */
class Layer {
  constructor(kernel, biases) {
    this.kernel = kernel;
    this.bias = new Numbers(biases); // starts at 0; without numbers there is none
    this.weights = biases ? [this.kernel, this.bias] : [this.kernel];
    this.gradients = this.weights.map(({ length }) => new Numbers(length));
    this.statistics = [];
  }

  addBias(y) {
    const channels = this.bias.length;
    if (channels) for (let n = 0; n < y.length; n++) y[n] += this.bias[n % channels];
    return y;
  }

  /** A bias is added to every number of its channel, so its slope is the sum of theirs. */
  learnBias(slope) {
    const channels = this.bias.length;
    if (channels) for (let n = 0; n < slope.length; n++) this.gradients[1][n % channels] += slope[n];
  }
}

/** y = x W + b. `start` gives the first W. */
export class Dense extends Layer {
  constructor(random, inputs, outputs, hasBias, start = around0) {
    super(start(random, inputs, outputs), hasBias ? outputs : 0);
    this.inputs = inputs;
    this.outputs = outputs;
  }

  forward(x) {
    const { inputs, outputs, kernel } = this;
    this.x = x;
    this.count = x.length / inputs;
    const y = new Numbers(this.count * outputs);
    addProduct(y, x, [inputs, 1], kernel, [outputs, 1], this.count, outputs, inputs);
    return this.addBias(y);
  }

  /** The slope of W is x transposed times the slope at y; that of x is the slope at y times W transposed. */
  backward(slope, learn, on) {
    const { inputs, outputs, kernel, count } = this;
    if (learn) {
      addProduct(this.gradients[0], this.x, [1, inputs], slope, [outputs, 1], inputs, outputs, count);
      this.learnBias(slope);
    }
    if (!on) return null;
    const dx = new Numbers(count * inputs);
    addProduct(dx, slope, [outputs, 1], kernel, [1, outputs], count, inputs, outputs);
    return dx;
  }
}

/** What both convolutions share: an image of twice the map's size, and a kernel (4, 4, image's, map's channels). */
class Stamping extends Layer {
  /** size: height and width of the smaller side, the map. */
  constructor(random, size, imageChannels, mapChannels, biases) {
    super(around0(random, TAPS, imageChannels, mapChannels), biases);
    this.size = size;
    this.imageChannels = imageChannels;
    this.mapChannels = mapChannels;
    this.width = TAPS * imageChannels;
    // For each pixel of the map, and each of the 16 places of its stamp: where that lies on the image, or -1 beside it.
    this.places = new Int32Array(size ** 2 * TAPS).fill(-1);
    forEachStamp(size, (from, to, part) => {
      this.places[from * TAPS + part] = to;
    });
  }

  /** Lays out, for each pixel of the map, the 4 x 4 pixels of the image below its stamp as a row: a matrix. */
  collect(image) {
    const { places, imageChannels: channels } = this;
    const count = image.length / (4 * this.size ** 2 * channels);
    const rows = new Numbers(count * places.length * channels);
    for (let n = 0, r = 0; n < count; n++) {
      const start = n * 4 * this.size ** 2;
      for (let p = 0; p < places.length; p++, r += channels) {
        if (places[p] < 0) continue;
        const i = (start + places[p]) * channels;
        for (let c = 0; c < channels; c++) rows[r + c] = image[i + c];
      }
    }
    return rows;
  }

  /** Its adjoint: presses each row of the matrix onto the image, where stamps that overlap add up. */
  press(rows) {
    const { places, imageChannels: channels } = this;
    const count = rows.length / (places.length * channels);
    const image = new Numbers(count * 4 * this.size ** 2 * channels);
    for (let n = 0, r = 0; n < count; n++) {
      const start = n * 4 * this.size ** 2;
      for (let p = 0; p < places.length; p++, r += channels) {
        if (places[p] < 0) continue;
        const i = (start + places[p]) * channels;
        for (let c = 0; c < channels; c++) image[i + c] += rows[r + c];
      }
    }
    return image;
  }

  /** Rows below the stamps times the kernel: from an image's rows to a map. */
  toMap(rows) {
    const { width, mapChannels } = this;
    const count = rows.length / width;
    const map = new Numbers(count * mapChannels);
    addProduct(map, rows, [width, 1], this.kernel, [mapChannels, 1], count, mapChannels, width);
    return map;
  }

  /** A map times the kernel transposed: from a map to the stamps of its pixels. */
  toRows(map) {
    const { width, mapChannels } = this;
    const count = map.length / mapChannels;
    const rows = new Numbers(count * width);
    addProduct(rows, map, [mapChannels, 1], this.kernel, [1, mapChannels], count, width, mapChannels);
    return rows;
  }

  /** The slope of the kernel, in both directions: the rows transposed times the map. One of the two is a slope. */
  learnKernel(rows, map) {
    const { width, mapChannels } = this;
    addProduct(this.gradients[0], rows, [1, width], map, [mapChannels, 1], width, mapChannels, rows.length / width);
  }
}

/** Keras's Conv2D with kernel 4, stride 2 and padding "same": from an image to a map of half its size. */
export class Conv extends Stamping {
  constructor(random, size, channels, filters, hasBias) {
    super(random, size, channels, filters, hasBias ? filters : 0);
  }

  forward(x) {
    this.rows = this.collect(x);
    return this.addBias(this.toMap(this.rows));
  }

  /** The slope at the map goes back as a transposed convolution: it is stamped onto the image. */
  backward(slope, learn, on) {
    if (learn) {
      this.learnKernel(this.rows, slope);
      this.learnBias(slope);
    }
    return on ? this.press(this.toRows(slope)) : null;
  }
}

/** Keras's Conv2DTranspose with kernel 4, stride 2 and padding "same": from a map to an image of twice its size. */
export class ConvTranspose extends Stamping {
  constructor(random, size, channels, filters, hasBias) {
    super(random, size, filters, channels, hasBias ? filters : 0);
  }

  forward(x) {
    this.x = x;
    return this.addBias(this.press(this.toRows(x)));
  }

  /** The slope at the image goes back as a convolution: each pixel of the map collects what its stamp met. */
  backward(slope, learn, on) {
    const rows = this.collect(slope);
    if (learn) {
      this.learnKernel(rows, this.x);
      this.learnBias(slope);
    }
    return on ? this.toMap(rows) : null;
  }
}

/** BatchNorm (arXiv 1502.03167): each channel gets mean 0 and variance 1 over the batch, then a gain and a shift. */
export class BatchNorm {
  constructor(random, channels, momentum = 0.9, epsilon = 1e-5) {
    this.gain = Numbers.from(normal(random, channels), (value) => 1 + START * value);
    this.shift = new Numbers(channels);
    this.movingMean = new Numbers(channels);
    this.movingVariance = new Numbers(channels).fill(1);
    this.weights = [this.gain, this.shift];
    this.gradients = [new Numbers(channels), new Numbers(channels)];
    this.statistics = [this.movingMean, this.movingVariance];
    this.channels = channels;
    this.momentum = momentum;
    this.epsilon = epsilon;
  }

  forward(x, training) {
    const { channels, gain, shift, epsilon } = this;
    const [mean, variance] = training ? this.measure(x) : this.statistics;
    this.scale = variance.map((value) => 1 / Math.sqrt(value + epsilon));
    this.normed = new Numbers(x.length);
    const y = new Numbers(x.length);
    for (let n = 0; n < x.length; n += channels) {
      for (let c = 0; c < channels; c++) {
        const value = (x[n + c] - mean[c]) * this.scale[c];
        this.normed[n + c] = value;
        y[n + c] = gain[c] * value + shift[c];
      }
    }
    return y;
  }

  /** Mean and variance of each channel of this batch. The moving averages go a tenth of the way to them. */
  measure(x) {
    const { channels, momentum, movingMean, movingVariance } = this;
    const count = x.length / channels;
    const [mean, variance] = [new Float64Array(channels), new Float64Array(channels)]; // long sums: 64 bits
    for (let n = 0; n < x.length; n += channels) for (let c = 0; c < channels; c++) mean[c] += x[n + c] / count;
    for (let n = 0; n < x.length; n += channels) {
      for (let c = 0; c < channels; c++) variance[c] += (x[n + c] - mean[c]) ** 2 / count;
    }
    for (let c = 0; c < channels; c++) {
      movingMean[c] -= (1 - momentum) * (movingMean[c] - mean[c]);
      // As TensorFlow's fused kernel has it: the unbiased variance is kept, the biased one is used.
      movingVariance[c] -= (1 - momentum) * (movingVariance[c] - (variance[c] * count) / (count - 1));
    }
    return [mean, variance];
  }

  /**
   * A change of one number changes its channel's mean and variance too. What the slope has in common with a shift of
   * all numbers, and with a stretch of them, is therefore taken off: BatchNorm undoes both.
   */
  backward(slope, learn) {
    const { channels, gain, normed, scale } = this;
    const count = slope.length / channels;
    const [shifts, stretches] = [new Float64Array(channels), new Float64Array(channels)];
    for (let n = 0; n < slope.length; n += channels) {
      for (let c = 0; c < channels; c++) {
        shifts[c] += slope[n + c];
        stretches[c] += slope[n + c] * normed[n + c];
      }
    }
    for (let c = 0; learn && c < channels; c++) {
      this.gradients[0][c] += stretches[c];
      this.gradients[1][c] += shifts[c];
    }
    const dx = new Numbers(slope.length);
    for (let n = 0; n < slope.length; n += channels) {
      for (let c = 0; c < channels; c++) {
        const rest = slope[n + c] - shifts[c] / count - (normed[n + c] * stretches[c]) / count;
        dx[n + c] = gain[c] * scale[c] * rest;
      }
    }
    return dx;
  }
}

/** ReLU, or with a slope below 0, LeakyReLU. */
export class ReLU {
  constructor(below = 0) {
    this.below = below;
    this.weights = this.gradients = this.statistics = []; // there is nothing to learn
  }

  forward(x) {
    this.y = new Numbers(x.length);
    for (let n = 0; n < x.length; n++) this.y[n] = x[n] > 0 ? x[n] : this.below * x[n];
    return this.y;
  }

  /** The chain rule, number by number: the slope passes where the number was above 0, `below` times it elsewhere. */
  backward(slope) {
    const dx = new Numbers(slope.length);
    for (let n = 0; n < dx.length; n++) dx[n] = this.y[n] > 0 ? slope[n] : this.below * slope[n];
    return dx;
  }
}

export class Tanh {
  constructor() {
    this.weights = this.gradients = this.statistics = [];
  }

  forward(x) {
    this.y = x.map(Math.tanh);
    return this.y;
  }

  /** The chain rule, number by number: tanh' is 1 - tanh^2. */
  backward(slope) {
    return slope.map((value, n) => value * (1 - this.y[n] ** 2));
  }
}
