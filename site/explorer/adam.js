// Adam, for both games of the course that are played in a browser.

/** Adam (arXiv 1412.6980) as Keras has it: each weight gets a step size of its own. */
export class Adam {
  /** weights: a list of arrays, which `apply` changes in place. */
  constructor(weights, rate, beta1 = 0.5, beta2 = 0.999, epsilon = 1e-7) {
    this.weights = weights;
    this.rate = rate;
    this.beta1 = beta1;
    this.beta2 = beta2;
    this.epsilon = epsilon;
    this.step = 0;
    this.means = weights.map((array) => new array.constructor(array.length));
    this.squares = weights.map((array) => new array.constructor(array.length));
  }

  /** gradients: one array for each of the weights, in the same order. */
  apply(gradients) {
    this.step += 1;
    const rate = (this.rate * Math.sqrt(1 - this.beta2 ** this.step)) / (1 - this.beta1 ** this.step);
    for (const [number, weights] of this.weights.entries()) {
      const [slopes, mean, square] = [gradients[number], this.means[number], this.squares[number]];
      for (let n = 0; n < slopes.length; n++) {
        mean[n] += (1 - this.beta1) * (slopes[n] - mean[n]);
        square[n] += (1 - this.beta2) * (slopes[n] ** 2 - square[n]);
        weights[n] -= (rate * mean[n]) / (Math.sqrt(square[n]) + this.epsilon);
      }
    }
  }
}
