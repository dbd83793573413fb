// The page of the ring game: controls, drawing, and a plane on which a visitor may place the real points. The training
// runs in game-worker.js, so the page stays smooth.

import {
  $, Rates, linkRules, linkState, onSeed, say, savesFilm, seed, setSeed, showNumbers, showRunning, tell,
} from "./panel.js";
import { Film } from "./picture.js";
import { EDGE, drawLosses, drawPlane } from "./plot.js";
import { uniform } from "./random.js";
import { copies, fromAddress, fromLetters, toAddress, toLetters } from "./share.js";
import { CENTERS, realPoints } from "./train.js";

const RATES = [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1];
const NOTEBOOK = { gRate: 5e-4, dRate: 1e-3 };
const COLLAPSE = { gRate: 5e-3, dRate: 1e-4 };
const MOST_PLACES = 150;
const APART = 0.1; // from one placed point to the next, while the pointer is drawn over the plane
const FILM_SIDE = 240;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

const worker = new Worker("game-worker.js", { type: "module" });
const rates = new Rates(RATES, () => {
  worker.postMessage({ do: "rates", ...rates.get() });
  toAddress(state);
});

const small = Object.assign(document.createElement("canvas"), { width: FILM_SIDE, height: FILM_SIDE }).getContext(
  "2d",
  { willReadFrequently: true },
);
let running = false;
let places = null; // where the visitor placed real points, or null for the eight heaps
let shownReal;
let number = 0; // of the game: what is told of an earlier one comes too late
let data; // what the worker told last
let film;
let filmed; // the move whose picture it has last

worker.addEventListener("message", (message) => {
  if (message.data.number !== number) return;
  data = message.data;
  draw();
  if (data.moves === filmed) return;
  filmed = data.moves;
  film.add(smallPlane);
});
worker.addEventListener("error", () => {
  $("problem").textContent = "The game could not start: this browser may be too old for it.";
});

function draw() {
  if (!data) return;
  const pushes = $("arrows").checked ? data.pushes : null;
  drawPlane($("plane"), { ...data, pushes, real: shownReal, circles: places ? [] : CENTERS });
  drawLosses($("losses"), data.curves, "moves");
  const moves = data.moves.toLocaleString("en");
  const of = places ? places.length : 8;
  const heaps = `${Math.min(data.heaps, of)} of ${of}`; // none yet where all points were just removed
  showNumbers({ moves, heaps }, "moves", data.last);
  const what = places ? "places" : "heaps";
  const sentence = `Move ${moves}: ${heaps} ${what} have fakes.`;
  const real = places ? "Real points where you placed them" : "Real points in eight heaps on a ring";
  $("plane").setAttribute("aria-label", `${real}, and fakes. ${sentence}`);
  say(sentence, running);
}

/** The plane as a small picture, for the film: bytes with opacity, which is taken out when the film is made. */
function smallPlane() {
  small.drawImage($("plane"), 0, 0, FILM_SIDE, FILM_SIDE);
  return small.getImageData(0, 0, FILM_SIDE, FILM_SIDE).data;
}

const withoutOpacity = (bytes) => bytes.filter((_, n) => n % 4 < 3);
const makeFilm = () => film.gif(smallPlane(), FILM_SIDE, FILM_SIDE, withoutOpacity);

// ---- controls

function reset() {
  film = new Film();
  filmed = undefined;
  number += 1;
  worker.postMessage({ do: "reset", number, seed: seed(), ...rates.get() });
  toAddress(state);
}

function run(on) {
  running = on;
  worker.postMessage({ do: "run", on });
  showRunning(on);
}

function play(newRates) {
  rates.set(newRates);
  reset();
  run(!places || places.length > 0);
}

$("start").addEventListener("click", () => run(!running));
$("one").addEventListener("click", () => {
  run(false);
  worker.postMessage({ do: "step" });
});
$("reset").addEventListener("click", () => {
  run(false);
  reset();
});
onSeed(reset);
$("healthy").addEventListener("click", () => play(NOTEBOOK));
$("collapse").addEventListener("click", () => play(COLLAPSE));
$("arrows").addEventListener("change", draw);
savesFilm(makeFilm, "ring.gif");

// Nobody watches a hidden tab: the game waits.
let waits = false;
document.addEventListener("visibilitychange", () => {
  if (document.hidden) waits = running;
  if (waits) run(!document.hidden);
});

// ---- real points of one's own

/** Takes the visitor's places for the real points, or with null the eight heaps. */
function setPlaces(list) {
  places = list;
  const none = list?.length === 0;
  if (none) run(false);
  for (const id of ["start", "one"]) $(id).disabled = none;
  if (!none) worker.postMessage({ do: "centers", places });
  shownReal = none ? [] : realPoints(300, uniform(10), list ?? CENTERS);
  $("heaps-name").textContent = list ? "Places with fakes" : "Heaps with fakes";
  $("board").classList.toggle("own", list !== null);
  $("board").tabIndex = list ? 0 : -1;
  $("own-note").hidden = $("clear").hidden = !list;
  $(list ? "own" : "eight").checked = true;
  draw();
  toAddress(state);
}

/** A coordinate as it can be written in a byte, so that a link brings back the same point. */
const toByte = (value) => Math.round((255 * (value + EDGE)) / (2 * EDGE));
const fromByte = (byte) => (2 * EDGE * byte) / 255 - EDGE;
const onGrid = (point) => point.map((value) => fromByte(Math.min(255, Math.max(0, toByte(value)))));

function place(point) {
  if (places.length < MOST_PLACES) setPlaces([...places, onGrid(point)]);
}

function pointAt(event) {
  const box = $("plane").getBoundingClientRect();
  const part = [(event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height];
  return part.map((value) => EDGE * (2 * value - 1));
}

$("board").addEventListener("pointerdown", (event) => {
  if (!places) return;
  $("board").setPointerCapture(event.pointerId);
  place(pointAt(event));
});
$("board").addEventListener("pointermove", (event) => {
  if (!places?.length || !event.buttons) return;
  const [point, before] = [pointAt(event), places.at(-1)];
  if (Math.hypot(point[0] - before[0], point[1] - before[1]) >= APART) place(point);
});

let cross = [0, 0]; // where the keyboard would place a point
$("board").addEventListener("keydown", (event) => {
  if (!places) return;
  const arrow = ARROWS[event.key];
  if (arrow) cross = cross.map((value, axis) => Math.min(EDGE, Math.max(-EDGE, value + 0.1 * arrow[axis])));
  else if (event.key === "Enter" || event.key === " ") place(cross);
  else return;
  event.preventDefault();
  showCross();
});

function showCross() {
  $("cross").style.left = `${(50 * (cross[0] + EDGE)) / EDGE}%`;
  $("cross").style.top = `${(50 * (EDGE - cross[1])) / EDGE}%`;
  const [x, y] = cross.map((value) => value.toFixed(1).replace("-", "−"));
  const count = places?.length === 1 ? "1 point" : `${places?.length ?? 0} points`;
  $("board").setAttribute("aria-label", `Place at ${x}, ${y}; ${count}. Arrow keys move it, Enter puts a point there.`);
}

$("real-by").addEventListener("change", ({ target }) => {
  run(false);
  setPlaces(target.value === "own" ? [] : null);
  reset();
});
$("clear").addEventListener("click", () => {
  setPlaces([]);
  reset();
});

// ---- links

/** Places from a link: two bytes each. */
function placesOf(text) {
  const bytes = fromLetters(text);
  if (!bytes?.length || bytes.length % 2 || bytes.length > 2 * MOST_PLACES) return undefined;
  return Array.from({ length: bytes.length / 2 }, (_, n) => [fromByte(bytes[2 * n]), fromByte(bytes[2 * n + 1])]);
}

const state = () => ({
  ...linkState(rates),
  points: places?.length ? toLetters(Uint8Array.from(places.flat(), toByte)) : undefined,
});

copies($("copy"), state, tell);
const { values, sentence } = fromAddress({ ...linkRules(RATES), points: placesOf });
$("problem").textContent = sentence;
setSeed(values.seed ?? 0);
rates.set({ gRate: values.g ?? NOTEBOOK.gRate, dRate: values.d ?? NOTEBOOK.dRate });
reset();
setPlaces(values.points ?? null);
showCross();
