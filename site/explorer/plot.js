// What the games draw: the plane of the ring game with D's opinion, and the two losses. Canvases are white in dark mode
// too, as the course's figures are.

import { sigmoid } from "./losses.js";
import { SPREAD } from "./train.js";

const G_COLOR = "#0072b2";
const D_COLOR = "#d55e00";
const REAL_COLOR = "#009e73";
const ARROW_COLOR = "#0b2f4a";
const SAYS_FAKE = [166, 203, 227]; // the ground where D says "fake", and where it says "real"; white between
const SAYS_REAL = [166, 220, 201];
export const EDGE = 1.8; // the plane goes from -1.8 to 1.8
const ARROWS = 120; // fakes that have one: more would hide each other
const LONGEST = 0.3; // arrow, in the plane's units
const CELLS = 48; // places along each axis at which D is asked

/** The points at which D is asked for its opinion, row by row from the top. */
export function gridPoints() {
  const points = new Float32Array(2 * CELLS ** 2);
  const at = (n) => (2 * EDGE * (n + 0.5)) / CELLS - EDGE;
  for (let n = 0; n < CELLS ** 2; n++) {
    points[2 * n] = at(n % CELLS);
    points[2 * n + 1] = -at(Math.floor(n / CELLS));
  }
  return points;
}

/** circles: the middles of heaps whose border is drawn; pushes: where each fake is pushed, or null for no arrows. */
export function drawPlane(canvas, { logits, real, fakes, pushes, circles }) {
  const context = canvas.getContext("2d");
  const side = canvas.width;
  drawOpinion(context, side, logits);
  drawBorder(context, side / CELLS, logits);
  const x = (value) => ((value + EDGE) / (2 * EDGE)) * side;
  const y = (value) => side - x(value);
  context.fillStyle = REAL_COLOR;
  for (let n = 0; n < real.length; n += 2) context.fillRect(x(real[n]) - 3, y(real[n + 1]) - 3, 6, 6);
  context.fillStyle = G_COLOR;
  for (let n = 0; n < fakes.length; n += 2) {
    context.beginPath();
    context.arc(x(fakes[n]), y(fakes[n + 1]), 4, 0, 7);
    context.fill();
  }
  if (pushes) drawArrows(context, x, y, fakes, pushes);
  context.strokeStyle = "#6a737d";
  context.lineWidth = 1;
  for (const center of circles) {
    context.beginPath();
    context.arc(x(center[0]), y(center[1]), ((3 * SPREAD) / (2 * EDGE)) * side, 0, 7); // where fakes count
    context.stroke();
  }
}

/** An arrow from each of the first fakes: the steeper the slope, the longer, up to a limit. */
function drawArrows(context, x, y, fakes, pushes) {
  context.strokeStyle = ARROW_COLOR;
  context.lineWidth = 2;
  context.beginPath();
  for (let n = 0; n < 2 * ARROWS; n += 2) {
    const [from, push] = [[fakes[n], fakes[n + 1]], [pushes[n], pushes[n + 1]]];
    const steepness = Math.hypot(...push);
    if (steepness < 1e-6) continue;
    const length = LONGEST * Math.tanh(steepness);
    const along = push.map((part) => (part * length) / steepness);
    const tip = from.map((at, axis) => at + along[axis]);
    context.moveTo(x(from[0]), y(from[1]));
    context.lineTo(x(tip[0]), y(tip[1]));
    for (const turn of [2.6, -2.6]) {
      const [cos, sin] = [0.35 * Math.cos(turn), 0.35 * Math.sin(turn)];
      context.moveTo(x(tip[0]), y(tip[1]));
      context.lineTo(x(tip[0] + cos * along[0] - sin * along[1]), y(tip[1] + sin * along[0] + cos * along[1]));
    }
  }
  context.stroke();
}

function drawOpinion(context, side, logits) {
  const small = document.createElement("canvas");
  small.width = small.height = CELLS;
  const image = new ImageData(CELLS, CELLS);
  for (let n = 0; n < logits.length; n++) {
    const lean = 2 * sigmoid(logits[n]) - 1; // -1 is "fake", 1 is "real"
    const full = lean < 0 ? SAYS_FAKE : SAYS_REAL;
    for (let c = 0; c < 3; c++) image.data[4 * n + c] = 255 + Math.abs(lean) * (full[c] - 255);
    image.data[4 * n + 3] = 255;
  }
  small.getContext("2d").putImageData(image, 0, 0);
  context.drawImage(small, 0, 0, side, side);
}

/** The line on which the logit is 0, from one side of each cell to another (marching squares). */
function drawBorder(context, cell, logits) {
  const middle = (n) => (n + 0.5) * cell;
  context.strokeStyle = D_COLOR;
  context.lineWidth = 3;
  context.beginPath();
  for (let row = 0; row + 1 < CELLS; row++) {
    for (let column = 0; column + 1 < CELLS; column++) {
      const corners = [[0, 0], [1, 0], [1, 1], [0, 1]];
      const value = corners.map(([right, down]) => logits[(row + down) * CELLS + column + right]);
      const crossings = [];
      for (let n = 0; n < 4; n++) {
        const [a, b] = [value[n], value[(n + 1) % 4]];
        if (a < 0 === b < 0) continue;
        const part = a / (a - b);
        const [from, to] = [corners[n], corners[(n + 1) % 4]];
        crossings.push([0, 1].map((axis) => from[axis] + part * (to[axis] - from[axis])));
      }
      for (let n = 0; n + 1 < crossings.length; n += 2) {
        context.moveTo(middle(column + crossings[n][0]), middle(row + crossings[n][1]));
        context.lineTo(middle(column + crossings[n + 1][0]), middle(row + crossings[n + 1][1]));
      }
    }
  }
  context.stroke();
}

/** Draws both losses (`Curves` of losses.js) over the moves or steps. */
export function drawLosses(canvas, { dLoss, gLoss, every, first }, unit) {
  // A curve needs no more points than the canvas has room for.
  const stride = Math.max(1, Math.ceil(dLoss.length / 600));
  const [dLosses, gLosses] = [dLoss, gLoss].map((losses) => losses.filter((_, n) => n % stride === 0));
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const [left, right, top, bottom] = [70, width - 20, 20, height - 70];
  const most = 4; // losses above lie on the upper edge
  const x = (n) => left + ((right - left) * n) / Math.max(1, dLosses.length - 1);
  const y = (loss) => bottom - ((bottom - top) * Math.min(loss, most)) / most;
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.fillStyle = "#1f2328";
  context.strokeStyle = "#d0d7de";
  context.lineWidth = 1;
  context.font = "22px system-ui, sans-serif";
  for (let tick = 0; tick <= most; tick++) {
    context.textAlign = "right";
    context.fillText(tick, left - 12, y(tick) + 8);
    line(context, [[left, y(tick)], [right, y(tick)]]);
  }
  context.textAlign = "left";
  context.fillText(first.toLocaleString("en"), left, bottom + 30);
  context.textAlign = "right";
  const last = first + Math.max(0, dLosses.length - 1) * every * stride;
  context.fillText(last.toLocaleString("en"), right, bottom + 30);
  context.textAlign = "center";
  context.fillText(unit, (left + right) / 2, bottom + 52);

  context.lineWidth = 3;
  context.strokeStyle = "#57606a";
  const blind = y(2 * Math.log(2));
  line(context, [[left, blind], [right, blind]], [3, 6]);
  for (const [losses, color, dashes] of [[gLosses, G_COLOR, [12, 6]], [dLosses, D_COLOR, []]]) {
    context.strokeStyle = color;
    line(context, losses.map((loss, n) => [x(n), y(loss)]), dashes);
  }
}

function line(context, points, dashes = []) {
  context.setLineDash(dashes);
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.stroke();
  context.setLineDash([]);
}
