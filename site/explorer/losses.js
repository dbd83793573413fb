// Binary cross-entropy on logits (notebook 04), for both games of the course that are played in a browser.

export const sigmoid = (s) => 1 / (1 + Math.exp(-s));
const softplus = (s) => Math.max(s, 0) + Math.log1p(Math.exp(-Math.abs(s))); // log(1 + e^s), without overflow
const mean = (numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

/** Both losses, and D's mean opinion of real examples and of fakes. */
export function bothLosses(realLogits, fakeLogits) {
  return {
    dLoss: mean(realLogits.map((s) => softplus(-s))) + mean(fakeLogits.map(softplus)),
    gLoss: mean(fakeLogits.map((s) => softplus(-s))),
    onReal: mean(realLogits.map(sigmoid)), // D(x)
    onFakes: mean(fakeLogits.map(sigmoid)), // D(G(z))
  };
}

const MOST_POINTS = 2000; // of a curve: then two become one, so that a game of hours does not fill the memory

/** The curves of both losses: means of `every` moves or steps, since single batches jump; from the step `first` on. */
export class Curves {
  constructor(every, first = 0) {
    this.every = every;
    this.first = first;
    this.count = 0;
    this.dLoss = [];
    this.gLoss = [];
    this.sums = { dLoss: 0, gLoss: 0 };
  }

  add(losses) {
    this.count += 1;
    for (const name of ["dLoss", "gLoss"]) {
      this.sums[name] += losses[name];
      if (this.count % this.every) continue;
      this[name].push(this.sums[name] / this.every);
      this.sums[name] = 0;
    }
    if (this.dLoss.length < MOST_POINTS) return;
    for (const name of ["dLoss", "gLoss"]) {
      const points = this[name];
      this[name] = points.filter((_, n) => n % 2).map((point, n) => (points[2 * n] + point) / 2);
    }
    this.every *= 2;
  }
}

// The slope of softplus is the sigmoid. D wants real examples called real, and G wants that of its fakes.

/** The slope of mean softplus(-s), the loss of who wants "real", with respect to each logit. */
export const slopesToReal = (logits) => logits.map((s) => -sigmoid(-s) / logits.length);

/** The slope of mean softplus(s), the loss of who wants "fake". */
export const slopesToFake = (logits) => logits.map((s) => sigmoid(s) / logits.length);
