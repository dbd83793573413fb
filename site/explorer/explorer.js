// The explorer's page: one latent vector `z`, the controls that change it, and the picture that it gives.

import { loadGenerator } from "./generator.js";
import * as latent from "./latent.js";
import { clear, gifOf, paint, pngOf, save } from "./picture.js";
import { normal, uniform } from "./random.js";

const ACROSS = 7; // pictures in a row of the map
const SEARCH_STEPS = 20;
const LEG = 12; // frames from one picture of a walk to the next
const FRAME_MS = 90;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** An element of the page, by its id. @type {(id: string) => any} */
const $ = (id) => document.getElementById(id);
const radios = (name) => [...document.querySelectorAll("input")].filter((input) => input.name === name);
const chosen = (name) => radios(name).find((radio) => radio.checked).value;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const random = uniform(crypto.getRandomValues(new Uint32Array(1))[0]);
const newLatent = () => normal(random, generator.latentDim);
const nextTurn = () => new Promise((done) => setTimeout(done)); // lets the page answer between two pictures
const number = (value, digits) => value.toFixed(digits).replace("-", "−");

let generator;
let z; // the latent vector that is shown
let place; // where z lies on the map, [x, y] from 0 to 1, or null if it lies elsewhere
let corners; // of the map
let square; // what a click edits: row, column, and how far it reaches to each side
let beforeEdit; // the z that Undo brings back

/** Shows another latent vector. All controls end here. */
function go(vector, newPlace = null) {
  z = vector;
  place = newPlace;
  for (const [label, canvas] of $("classes").querySelectorAll("canvas").entries()) {
    paint(canvas, generator.draw(z, label), generator.size);
  }
  const start = performance.now();
  const image = generator.draw(z);
  const ms = performance.now() - start;
  for (const canvas of [$("picture"), $("thumbnail")]) paint(canvas, image, generator.size);
  $("time").textContent = `Drawn in ${number(ms, ms < 10 ? 1 : 0)} ms.`;

  const values = generator.directions.map((direction) => latent.along(z, direction));
  for (const [n, value] of values.entries()) {
    $(`direction-${n}`).value = value;
    $(`value-${n}`).value = number(value, 1);
  }
  const where = place ? `${percent(place[0])} to the right, ${percent(place[1])} down` : "not on the map";
  const said = values.slice(0, 3).map((value) => number(value, 1));
  const kind = generator.classes.length ? `Generated ${generator.classes[generator.label]}` : "Generated picture";
  $("picture").setAttribute("aria-label", `${kind}, directions 1 to 3 at ${said.join(", ")}, ${where}`);
  $("map").setAttribute("aria-valuetext", where);
  $("map").setAttribute("aria-valuenow", place ? Math.round(place[0] * 100) : 0);
  $("marker").hidden = !place;
  if (place) put($("marker"), ...place.map((part) => (part * (ACROSS - 1) + 0.5) / ACROSS));
}

const percent = (part) => `${Math.round(100 * part)}%`;

function put(element, x, y) {
  element.style.left = `${100 * x}%`;
  element.style.top = `${100 * y}%`;
}

// ---- which generator

let choice = 0; // counts them, so that a slow load cannot replace a later choice

async function choose(name) {
  const mine = ++choice;
  stopWalk();
  $("controls").inert = true; // nothing to control until the weights are there
  $("problem").textContent = "";
  $("time").textContent = "Loading the weights.";
  try {
    const loaded = await loadGenerator(name);
    if (mine !== choice) return;
    generator = loaded;
  } catch (error) {
    if (mine !== choice) return;
    $("problem").textContent = `The weights could not be loaded: ${error.message}`;
    return;
  }
  $("controls").inert = false;
  for (const canvas of [$("picture"), $("thumbnail")]) clear(canvas, generator.size);
  corners = generator.corners;
  makeClasses();
  makeSliders();
  moveSquare(generator.size / 2, generator.size / 2);
  canUndo(null);
  go(corners[0], [0, 0]);
  performance.mark("first-picture");
  drawMap();
}

// ---- classes: each drawn from the same z

function makeClasses() {
  $("class-choice").hidden = generator.classes.length === 0;
  const rows = generator.classes.map((name, label) => {
    const row = document.createElement("label");
    row.innerHTML = `<canvas width="${generator.size}" height="${generator.size}" aria-hidden="true"></canvas>
      <input type="radio" name="class" value="${label}" ${label === generator.label ? "checked" : ""}> ${name}`;
    row.querySelector("input").addEventListener("change", () => {
      generator.label = label;
      go(z.slice(), place); // another array of the same numbers: what was under way with the first one ends
      drawMap();
    });
    return row;
  });
  $("classes").replaceChildren(...rows);
}

// ---- sliders: the coordinates of z along the main directions

function makeSliders() {
  const rows = generator.shares.map((share, n) => {
    const row = document.createElement("div");
    row.innerHTML = `<label for="direction-${n}">Direction ${n + 1} <small>${percent(share)}</small></label>
      <input id="direction-${n}" type="range" min="-4" max="4" step="0.05">
      <output id="value-${n}" for="direction-${n}"></output>`;
    const slider = row.querySelector("input");
    slider.addEventListener("input", () => {
      stopWalk();
      go(latent.moveAlong(z, generator.directions[n], Number(slider.value)));
    });
    return row;
  });
  $("sliders").replaceChildren(...rows);
}

$("zero").addEventListener("click", () => {
  stopWalk();
  go(generator.directions.reduce((vector, direction) => latent.moveAlong(vector, direction, 0), z));
});

// ---- the map

let maps = 0; // counts them, so that only the last one goes on

async function drawMap() {
  const mine = ++maps;
  clear($("map-canvas"), generator.size * ACROSS);
  for (let row = 0; row < ACROSS; row++) {
    for (let column = 0; column < ACROSS; column++) {
      await nextTurn();
      if (mine !== maps) return; // another map has begun
      const vector = latent.onMap(corners, column / (ACROSS - 1), row / (ACROSS - 1));
      paint($("map-canvas"), generator.draw(vector), generator.size, row, column);
    }
  }
  performance.mark("map");
}

function goOnMap(x, y) {
  stopWalk();
  const inside = [x, y].map((part) => Math.min(1, Math.max(0, part)));
  go(latent.onMap(corners, ...inside), inside);
}

function followPointer(event) {
  if (event.type === "pointermove" && !event.buttons) return;
  if (event.type === "pointerdown") $("map").setPointerCapture(event.pointerId);
  const box = $("map").getBoundingClientRect();
  const parts = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  goOnMap(...parts.map((part) => (part * ACROSS - 0.5) / (ACROSS - 1)));
}

$("map").addEventListener("pointerdown", followPointer);
$("map").addEventListener("pointermove", followPointer);
$("map").addEventListener("keydown", (event) => {
  const arrow = ARROWS[event.key];
  if (!arrow) return;
  event.preventDefault();
  const [x, y] = place ?? [0.5, 0.5];
  goOnMap(x + arrow[0] / 24, y + arrow[1] / 24);
});
$("corners").addEventListener("click", () => {
  corners = [newLatent(), newLatent(), newLatent(), newLatent()];
  goOnMap(0, 0);
  drawMap();
});

// ---- editing: a search for the latent vector

function moveSquare(row, column) {
  const { size } = generator;
  const reach = Math.round(size / 12);
  const inside = (at) => Math.min(size - 1 - reach, Math.max(reach, Math.floor(at)));
  square = { row: inside(row), column: inside(column), reach };
  put($("square"), (square.column - reach) / size, (square.row - reach) / size);
  $("square").style.width = $("square").style.height = `${(100 * (2 * reach + 1)) / size}%`;
}

function canUndo(vector) {
  beforeEdit = vector;
  $("undo").disabled = !vector;
}

async function edit() {
  stopWalk();
  const [mine, from] = [generator, z];
  const mask = latent.squareMask(generator.size, generator.channels, square.row, square.column, square.reach);
  const sign = Number(chosen("sign"));
  canUndo(from);
  let to = from;
  for (let step = 0; step < SEARCH_STEPS; step++) {
    to = latent.searchStep(generator, to, mask, sign);
    if (still.matches) continue; // who asked for little motion sees the end alone
    go(to);
    await nextTurn();
    if (z !== to || mine !== generator) return; // another control was used meanwhile
  }
  const [before, after] = [from, to].map((vector) => number(latent.brightness(generator.draw(vector), mask), 2));
  go(to);
  $("status").textContent =
    `Brightness of the square: ${before} before, ${after} after (−1 is black, 1 is white). ` +
    `The latent vector moved by ${number(latent.distance(from, to), 1)}; its length is ${number(Math.hypot(...to), 1)}.`;
}

function pointAt(event) {
  const box = $("frame").getBoundingClientRect();
  const parts = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
  moveSquare(...parts.map((part) => part * generator.size));
}

$("frame").addEventListener("pointermove", pointAt);
$("frame").addEventListener("click", (event) => {
  pointAt(event);
  edit();
});
$("frame").addEventListener("keydown", (event) => {
  const arrow = ARROWS[event.key];
  if (arrow) moveSquare(square.row + arrow[1], square.column + arrow[0]);
  else if (event.key === "Enter" || event.key === " ") edit();
  else return;
  event.preventDefault();
  $("frame").setAttribute("aria-label", `Square at row ${square.row}, column ${square.column}. Enter edits.`);
});
$("undo").addEventListener("click", () => {
  stopWalk();
  go(beforeEdit);
  canUndo(null);
});

// ---- new pictures, walking, saving

let walking = null;

function walk(ahead = []) {
  const [next, ...later] = ahead.length ? ahead : latent.closedWalk([z, newLatent()], LEG).slice(1, LEG + 1);
  go(next);
  walking = setTimeout(() => walk(later), still.matches ? LEG * FRAME_MS : FRAME_MS);
}

function stopWalk() {
  clearTimeout(walking);
  walking = null;
  $("walk").setAttribute("aria-pressed", false);
}

$("walk").addEventListener("click", () => {
  if (walking) return stopWalk();
  $("walk").setAttribute("aria-pressed", true);
  walk();
});
$("random").addEventListener("click", () => {
  stopWalk();
  go(newLatent());
});
$("gif").addEventListener("click", async () => {
  const mine = generator;
  const images = [];
  const vectors = latent.closedWalk([z, newLatent(), newLatent(), newLatent()], LEG);
  $("status").textContent = `Drawing ${vectors.length} frames.`;
  for (const vector of vectors) {
    images.push(generator.draw(vector));
    await nextTurn();
    if (mine !== generator) return;
  }
  const film = gifOf(images, generator.size, FRAME_MS / 10);
  save(film, "walk.gif");
  $("status").textContent = `Saved walk.gif, ${Math.round(film.size / 1000)} kB.`;
});
$("png").addEventListener("click", async () => {
  save(await pngOf($("picture")), "picture.png");
  $("status").textContent = "Saved picture.png.";
});

// While controls further down the page are used, the picture stays in sight, small.
const inSight = new Map();
const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) inSight.set(target.id, isIntersecting);
  $("thumbnail").hidden = inSight.get("picture") || !inSight.get("controls");
});
observer.observe($("picture"));
observer.observe($("controls"));

for (const radio of radios("generator")) radio.addEventListener("change", () => choose(radio.value));
choose(chosen("generator"));
