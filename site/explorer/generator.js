// The course's generator (dcgan_keras/models.py), forwards and backwards, in plain JavaScript.
//
//   latent vector -> dense layer -> BatchNorm, ReLU -> [stamping, BatchNorm, ReLU] ... -> stamping, bias, tanh -> image
//
// "Stamping" is the transposed convolution of notebook 03: each number of the input presses its kernel onto the
// output. The way back is its adjoint: each number of the input collects what its stamp met.
// Images and feature maps are channels-last, as in Keras: the number at row i, column j, channel c of a map is
// map[(i * size + j) * channels + c]. Maps have 64 bits: no slower here, and no error to speak of.

const KERNEL = 4; // height and width of every kernel
const STRIDE = 2;
const CUT = (KERNEL - STRIDE) / 2; // padding "same" cuts this many rows and columns off each side

/** Visits each place of each stamp that lies on the output: the pixel, its place there, the kernel's part. */
export function forEachStamp(size, visit) {
  const side = size * STRIDE;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      for (let a = 0; a < KERNEL; a++) {
        const row = i * STRIDE + a - CUT;
        if (row < 0 || row >= side) continue;
        for (let b = 0; b < KERNEL; b++) {
          const column = j * STRIDE + b - CUT;
          if (column < 0 || column >= side) continue;
          visit(i * size + j, row * side + column, a * KERNEL + b);
        }
      }
    }
  }
}

/** Transposed convolution: x (size, size, channels), kernel (4, 4, filters, channels) -> (2 size, 2 size, filters). */
export function stamp(x, size, channels, kernel, filters) {
  const y = new Float64Array((size * STRIDE) ** 2 * filters);
  forEachStamp(size, (from, to, part) => {
    for (let f = 0; f < filters; f++) {
      const k = (part * filters + f) * channels;
      let sum = 0;
      for (let c = 0; c < channels; c++) sum += kernel[k + c] * x[from * channels + c];
      y[to * filters + f] += sum;
    }
  });
  return y;
}

/** Its adjoint, an ordinary convolution with stride 2: the gradient at the output -> the gradient at the input. */
export function unstamp(dy, size, channels, kernel, filters) {
  const dx = new Float64Array(size ** 2 * channels);
  forEachStamp(size, (from, to, part) => {
    for (let f = 0; f < filters; f++) {
      const k = (part * filters + f) * channels;
      const slope = dy[to * filters + f];
      for (let c = 0; c < channels; c++) dx[from * channels + c] += kernel[k + c] * slope;
    }
  });
  return dx;
}

export class Generator {
  /** about: the packed JSON; weights: all weights in one Float32Array. */
  constructor(about, weights) {
    const tensor = (name) => {
      const found = about.tensors[name];
      if (!found) return null;
      return weights.subarray(found.offset, found.offset + found.shape.reduce((a, b) => a * b));
    };
    this.latentDim = about.latent_dim;
    this.classes = about.classes; // their names, of a generator that is told what to draw
    this.label = 0; // the class that is asked for
    this.directions = about.directions.map((row) => Float32Array.from(row));
    this.shares = about.shares;
    this.corners = about.corners.map((row) => Float32Array.from(row));
    this.project = tensor("project/kernel");
    this.projectNorm = batchNorm("project_norm", tensor, about.epsilon);
    let size = about.start;
    this.ups = about.ups.map((name) => {
      const [, , filters, channels] = about.tensors[`${name}/kernel`].shape;
      const up = { size, filters, channels, kernel: tensor(`${name}/kernel`), bias: tensor(`${name}/bias`) };
      if (!up.bias) up.norm = batchNorm(`${name}_norm`, tensor, about.epsilon);
      size *= STRIDE;
      return up;
    });
    this.size = size;
    this.channels = this.ups.at(-1).filters;
  }

  /** Draws a latent vector as an image in [-1, 1]. Keeps it and its feature maps for `gradient`. */
  draw(z, label = this.label) {
    this.drawn = z;
    const units = this.project.length / (this.latentDim + this.classes.length);
    let map = new Float64Array(units);
    // To the dense layer, a label is more numbers of the vector: a 1 for its class, 0 for the others.
    const row = (this.latentDim + label) * units;
    if (this.classes.length) map.set(this.project.subarray(row, row + units));
    for (let n = 0; n < this.latentDim; n++) {
      for (let u = 0; u < units; u++) map[u] += z[n] * this.project[n * units + u];
    }
    normAndReLU(map, this.projectNorm);
    this.maps = [map];
    for (const up of this.ups) {
      map = stamp(map, up.size, up.channels, up.kernel, up.filters);
      if (up.norm) normAndReLU(map, up.norm);
      else for (let n = 0; n < map.length; n++) map[n] = Math.tanh(map[n] + up.bias[n % up.filters]);
      this.maps.push(map);
    }
    return map;
  }

  /** Goes back through the image drawn last: the slope of a number with respect to the image -> to z. */
  gradient(imageSlope) {
    const image = this.maps.at(-1);
    let slope = Float64Array.from(imageSlope, (value, n) => value * (1 - image[n] ** 2)); // tanh' is 1 - tanh^2
    for (let n = this.ups.length - 1; n >= 0; n--) {
      const up = this.ups[n];
      slope = unstamp(slope, up.size, up.channels, up.kernel, up.filters);
      backThroughNormAndReLU(slope, this.maps[n], n ? this.ups[n - 1].norm : this.projectNorm);
    }
    const dz = new Float64Array(this.latentDim);
    for (let n = 0; n < this.latentDim; n++) {
      let sum = 0;
      for (let u = 0; u < slope.length; u++) sum += slope[u] * this.project[n * slope.length + u];
      dz[n] = sum;
    }
    return dz;
  }
}

// A trained BatchNorm uses its stored mean and variance, so it is one factor and one shift a channel.
function batchNorm(name, tensor, epsilon) {
  const [gamma, beta, mean, variance] = ["gamma", "beta", "moving_mean", "moving_variance"].map((n) =>
    tensor(`${name}/${n}`),
  );
  const scale = Float64Array.from(gamma, (value, c) => value / Math.sqrt(variance[c] + epsilon));
  return { scale, shift: Float64Array.from(beta, (value, c) => value - mean[c] * scale[c]) };
}

function normAndReLU(map, { scale, shift }) {
  for (let n = 0; n < map.length; n++) {
    const c = n % scale.length;
    map[n] = Math.max(0, map[n] * scale[c] + shift[c]);
  }
}

function backThroughNormAndReLU(slope, map, { scale }) {
  for (let n = 0; n < slope.length; n++) slope[n] = map[n] > 0 ? slope[n] * scale[n % scale.length] : 0;
}

/** Reads float16 numbers: a sign, 5 bits of exponent, 10 bits of fraction. */
export function fromFloat16(bits) {
  const numbers = new Float32Array(bits.length);
  for (let n = 0; n < bits.length; n++) {
    const sign = bits[n] & 0x8000 ? -1 : 1;
    const exponent = (bits[n] >> 10) & 31;
    const fraction = bits[n] & 1023;
    // Near zero, where the exponent is 0, the steps are even.
    numbers[n] = exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
  }
  return numbers;
}

/** Fetches a packed generator, such as site/pack.py writes. */
export async function loadGenerator(name) {
  const [about, bytes] = await Promise.all([
    fetch(`${name}.json`).then(opened).then((answer) => answer.json()),
    fetch(`${name}.f16`).then(opened).then((answer) => answer.arrayBuffer()),
  ]);
  return new Generator(about, fromFloat16(new Uint16Array(bytes)));
}

function opened(answer) {
  if (!answer.ok) throw new Error(`${answer.url}: ${answer.status}`);
  return answer;
}
