// What can be done with latent vectors: mix them, walk from one to another, search for one.

const length = (z) => Math.hypot(...z);

/**
 * Mixes latent vectors, each with its share.
 *
 * Each vector is of independent normal numbers with variance 1, and the generator knows no others. A plain mean of
 * them has a smaller variance, so the sum is divided by the root of the sum of the squared shares.
 */
export function mix(vectors, shares) {
  const scale = 1 / Math.hypot(...shares);
  return vectors[0].map((_, n) => scale * vectors.reduce((sum, z, v) => sum + shares[v] * z[n], 0));
}

/** The latent vector at a place between four corners; x goes from 0 at the left to 1, y from 0 at the top to 1. */
export function onMap(corners, x, y) {
  return mix(corners, [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y]);
}

/** The coordinate of z along a unit vector. */
export const along = (z, direction) => z.reduce((sum, value, n) => sum + value * direction[n], 0);

/** Moves z along a unit vector until its coordinate there is `value`. */
export function moveAlong(z, direction, value) {
  const step = value - along(z, direction);
  return z.map((number, n) => number + step * direction[n]);
}

/** A closed walk from the first of some latent vectors to each of the others and back: `steps` vectors a leg. */
export function closedWalk(stops, steps) {
  return stops.flatMap((from, n) => {
    const to = stops[(n + 1) % stops.length];
    return Array.from({ length: steps }, (_, step) => mix([from, to], [1 - step / steps, step / steps]));
  });
}

/** Marks a square of an image: 1 at its pixels, 0 elsewhere. `reach` pixels on each side of the middle. */
export function squareMask(size, channels, row, column, reach) {
  return Float32Array.from({ length: size * size * channels }, (_, n) => {
    const pixel = Math.floor(n / channels);
    const [i, j] = [Math.floor(pixel / size), pixel % size];
    return Math.abs(i - row) <= reach && Math.abs(j - column) <= reach ? 1 : 0;
  });
}

/** The mean of an image where the mask is 1: from -1, black, to 1, white. */
export function brightness(image, mask) {
  let sum = 0;
  let count = 0;
  for (let n = 0; n < image.length; n++) {
    sum += image[n] * mask[n];
    count += mask[n];
  }
  return sum / count;
}

/**
 * One step of the search: z moves by `step` in the direction in which the masked brightness rises fastest
 * (`sign` 1) or falls fastest (-1). The new z keeps its length, so that it stays where the generator was trained.
 */
export function searchStep(generator, z, mask, sign, step = 0.25) {
  if (generator.drawn !== z) generator.draw(z);
  const count = mask.reduce((a, b) => a + b);
  const slope = generator.gradient(mask.map((value) => value / count));
  const steepness = length(slope);
  if (steepness === 0) return z; // no ReLU is open, or every pixel is as bright as can be
  const moved = z.map((value, n) => value + (sign * step * slope[n]) / steepness);
  const scale = length(z) / length(moved);
  return moved.map((value) => value * scale);
}

export const distance = (a, b) => length(a.map((value, n) => value - b[n]));
