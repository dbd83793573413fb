// Random numbers with a seed, so that a picture or a game can be played again.

/** Returns a function that gives numbers from 0 to 1, always the same for the same seed (Mulberry32). */
export function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws `count` normal numbers with mean 0 and variance 1 from such a function (Box and Muller). */
export function normal(random, count) {
  const numbers = new Float32Array(count);
  for (let n = 0; n < count; n++) {
    numbers[n] = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  }
  return numbers;
}
