// The explorer's page: one latent vector `z`, the controls that change it, and the picture that it gives.

import { loadGenerator } from "./generator.js";
import * as latent from "./latent.js";
import { clear, gifOf, paint, pngOf, save } from "./picture.js";
import { normal, uniform } from "./random.js";
import { between, copies, fromAddress, fromLetters, oneOf, toAddress, toLetters, whole } from "./share.js";

const ACROSS = 7; // pictures in a row of the map
const SEARCH_STEPS = 20;
const LEG = 12; // frames from one picture of a walk to the next
const FRAME_MS = 90;
const END = 3; // what the two small pictures of a slider show: its direction at -3 and at 3
const REST_MS = 250; // so long a latent vector must stay before they are drawn anew
const UNDOS = 50;
const SEEDS = 1e6;
const STEPS_OF_1 = 1024; // to which the numbers of a latent vector are rounded in a link
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** An element of the page, by its id. @type {(id: string) => any} */
const $ = (id) => document.getElementById(id);
const radios = (name) => [...document.querySelectorAll("input")].filter((input) => input.name === name);
const chosen = (name) => radios(name).find((radio) => radio.checked).value;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const random = uniform(crypto.getRandomValues(new Uint32Array(1))[0]);
const fromSeed = (seed) => normal(uniform(seed), generator.latentDim);
const newSeed = () => Math.floor(SEEDS * random());
const newLatent = () => fromSeed(newSeed());
const nextTurn = () => new Promise((done) => setTimeout(done)); // lets the page answer between two pictures
const number = (value, digits) => value.toFixed(digits).replace(/^-(?=[0.]+$)/, "").replace("-", "−");

let generator;
let z; // the latent vector that is shown
let place; // where z lies on the map, [x, y] from 0 to 1, or null if it lies elsewhere
let recipe; // how to make z again in few words: { seed or map, and d1 to d8 where a slider was moved }, or null
let corners; // of the map
let square; // what a click edits: row, column, and how far it reaches to each side
let earlier = []; // what Undo brings back, the last at its end: { z, place, recipe, corners }
let lastAct; // which control is dragged, if one is

/** Begins what a control does, null for one that is no drag: the walk ends, the last message goes, and what was shown can be brought back. */
function act(control) {
  stopWalk();
  $("status").textContent = "";
  const goesOn = control && control === lastAct; // a drag is one act
  if (!goesOn) earlier = [...earlier.slice(1 - UNDOS), { z, place, recipe, corners }];
  lastAct = control;
  $("undo").disabled = false;
}

/** Shows another latent vector. All controls end here. */
function go(vector, newPlace = null, newRecipe = null) {
  z = vector;
  place = newPlace;
  recipe = newRecipe;
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
  drawEnds();
  toAddress(state);
}

const percent = (part) => `${Math.round(100 * part)}%`;

function put(element, x, y) {
  element.style.left = `${100 * x}%`;
  element.style.top = `${100 * y}%`;
}

// ---- which generator

let choice = 0; // counts them, so that a slow load cannot replace a later choice

/** link: what an address said of the picture, or nothing. */
async function choose(name, link = {}) {
  const mine = ++choice;
  stopWalk();
  $("status").textContent = "";
  $("controls").inert = true; // nothing to control until the weights are there
  $("problem").textContent = "";
  $("time").textContent = "Loading the weights.";
  try {
    const loaded = await loadGenerator(name);
    if (mine !== choice) return;
    generator = loaded;
  } catch (error) {
    if (mine !== choice) return;
    $("time").textContent = "";
    $("problem").textContent = `The weights could not be loaded: ${error.message}`;
    return;
  }
  $("controls").inert = false;
  for (const canvas of [$("picture"), $("thumbnail")]) clear(canvas, generator.size);
  corners = generator.corners;
  makeClasses();
  makeSliders();
  moveSquare(generator.size / 2, generator.size / 2);
  earlier = [];
  lastAct = null;
  $("undo").disabled = true;
  follow(link);
  performance.mark("first-picture");
  drawMap();
}

// ---- links

const inMap = (text) => {
  const parts = text.split(",").map(between(0, 1));
  return parts.length === 2 && !parts.includes(undefined) ? parts : undefined;
};
const sliderNames = Array.from({ length: 8 }, (_, n) => `d${n + 1}`);

/** What an address may say. */
const RULES = {
  generator: oneOf(radios("generator").map((radio) => radio.value)),
  class: whole(9),
  seed: whole(SEEDS - 1),
  map: inMap,
  z: numbersOf,
  ...Object.fromEntries(sliderNames.map((name) => [name, between(-4, 4)])),
};

function numbersOf(text) {
  const bytes = fromLetters(text);
  if (bytes?.length !== 200) return undefined; // 100 numbers
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: 100 }, (_, n) => view.getInt16(2 * n) / STEPS_OF_1);
}

function lettersOf(vector) {
  const view = new DataView(new ArrayBuffer(2 * vector.length));
  for (const [n, value] of vector.entries()) view.setInt16(2 * n, Math.round(value * STEPS_OF_1));
  return toLetters(new Uint8Array(view.buffer));
}

/** What the address says of the page as it is. */
function state() {
  if (!generator) return {};
  const shown = recipe ? { ...recipe, map: recipe.map?.join(",") } : { z: lettersOf(z) };
  return { generator: chosen("generator"), class: generator.classes.length ? generator.label : undefined, ...shown };
}

/** Shows the picture of a link. Where it names none, that is the map's first corner. */
function follow(link) {
  const moved = Object.fromEntries(sliderNames.filter((name) => name in link).map((name) => [name, link[name]]));
  if (generator.classes.length) generator.label = link.class ?? 0;
  $("classes").querySelectorAll("input").forEach((radio, label) => (radio.checked = label === generator.label));
  const given = link.z ? null : "seed" in link ? { seed: link.seed } : { map: link.map ?? [0, 0] };
  const base = link.z ?? (given.map ? latent.onMap(corners, ...given.map) : fromSeed(given.seed));
  const names = Object.keys(moved);
  const vector = names.reduce(
    (at, name) => latent.moveAlong(at, generator.directions[sliderNames.indexOf(name)], moved[name]),
    base,
  );
  go(vector, !names.length && given?.map ? given.map : null, given && { ...given, ...moved });
}

copies($("copy"), state, (sentence) => ($("status").textContent = sentence));

// ---- classes: each drawn from the same z

function makeClasses() {
  $("class-choice").hidden = generator.classes.length === 0;
  const rows = generator.classes.map((name, label) => {
    const row = document.createElement("label");
    row.innerHTML = `<canvas width="${generator.size}" height="${generator.size}" aria-hidden="true"></canvas>
      <input type="radio" name="class" value="${label}" ${label === generator.label ? "checked" : ""}> ${name}`;
    row.querySelector("input").addEventListener("change", () => {
      $("status").textContent = "";
      generator.label = label;
      go(z.slice(), place, recipe); // another array of the same numbers: what was under way with the first one ends
      drawMap();
    });
    return row;
  });
  $("classes").replaceChildren(...rows);
}

// ---- sliders: the coordinates of z along the main directions

function makeSliders() {
  const { size } = generator;
  const end = `<canvas class="end" width="${size}" height="${size}" aria-hidden="true"></canvas>`;
  const rows = generator.shares.map((share, n) => {
    const row = document.createElement("div");
    row.innerHTML = `<label for="direction-${n}">Direction ${n + 1} <small>${percent(share)}</small></label>
      <output id="value-${n}" for="direction-${n}"></output>
      <span>${end}<input id="direction-${n}" type="range" min="-4" max="4" step="0.05">${end}</span>`;
    const slider = row.querySelector("input");
    const move = (value, control) => {
      act(control);
      const moved = latent.moveAlong(z, generator.directions[n], value);
      go(moved, null, recipe && { ...recipe, [sliderNames[n]]: value });
    };
    slider.addEventListener("input", () => move(Number(slider.value), slider.id));
    slider.addEventListener("pointerup", () => (lastAct = null)); // it is let go
    for (const [side, canvas] of row.querySelectorAll("canvas").entries()) {
      canvas.addEventListener("click", () => move(side ? END : -END, null)); // with the keyboard: the slider itself
    }
    return row;
  });
  $("sliders").replaceChildren(...rows);
}

let resting;

/** Draws what each slider leads to, at its two ends, once the latent vector stays as it is. */
function drawEnds() {
  clearTimeout(resting);
  resting = setTimeout(async () => {
    const [from, mine, label] = [z, generator, generator.label];
    for (const [n, canvas] of $("sliders").querySelectorAll("canvas").entries()) {
      const vector = latent.moveAlong(from, mine.directions[n >> 1], n % 2 ? END : -END);
      paint(canvas, mine.draw(vector), mine.size);
      await nextTurn();
      if (z !== from || mine !== generator || label !== mine.label) return;
    }
    performance.mark("ends");
  }, REST_MS);
}

$("zero").addEventListener("click", () => {
  act("zero");
  const zeros = Object.fromEntries(sliderNames.map((name) => [name, 0]));
  const vector = generator.directions.reduce((moved, direction) => latent.moveAlong(moved, direction, 0), z);
  go(vector, null, recipe && { ...recipe, ...zeros });
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
  act("map");
  const inside = [x, y].map((part) => Math.round(1000 * Math.min(1, Math.max(0, part))) / 1000);
  go(latent.onMap(corners, ...inside), inside, corners === generator.corners ? { map: inside } : null);
}

function followPointer(event) {
  if (event.type === "pointermove" && !event.buttons) return;
  if (event.type === "pointerdown") {
    $("map").setPointerCapture(event.pointerId);
    lastAct = null; // another drag
  }
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
  lastAct = null;
  act("map");
  corners = [newLatent(), newLatent(), newLatent(), newLatent()];
  goOnMap(0, 0);
  lastAct = null;
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

async function edit() {
  act(null);
  const [mine, from] = [generator, z];
  const mask = latent.squareMask(generator.size, generator.channels, square.row, square.column, square.reach);
  const sign = Number(chosen("sign"));
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
  $("status").textContent = "";
  const before = earlier.pop();
  const other = before.corners !== corners;
  corners = before.corners;
  if (other) drawMap();
  go(before.z, before.place, before.recipe);
  lastAct = null;
  $("undo").disabled = earlier.length === 0;
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
  act(null);
  $("walk").setAttribute("aria-pressed", true);
  walk();
});
$("random").addEventListener("click", () => {
  act(null);
  const seed = newSeed();
  go(fromSeed(seed), null, { seed });
});
$("gif").addEventListener("click", async () => {
  const [mine, chosenThen, label] = [generator, choice, generator.label];
  const images = [];
  const vectors = latent.closedWalk([z, newLatent(), newLatent(), newLatent()], LEG);
  $("gif").disabled = true;
  try {
    for (const vector of vectors) {
      $("status").textContent = `Drawing picture ${images.length + 1} of ${vectors.length}.`;
      await nextTurn();
      if (choice !== chosenThen) return; // choose() has taken the message away
      images.push(mine.draw(vector, label));
    }
    const film = gifOf(images, mine.size, FRAME_MS / 10);
    save(film, "walk.gif");
    $("status").textContent = `Saved walk.gif, ${Math.round(film.size / 1000)} kB.`;
  } finally {
    $("gif").disabled = false;
  }
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
const link = fromAddress(RULES);
$("link-problem").textContent = link.sentence;
for (const radio of radios("generator")) radio.checked = radio.value === (link.values.generator ?? "fashion");
choose(chosen("generator"), link.values);
