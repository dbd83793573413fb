// What the pages of both games have alike: sliders for the two rates, the seed, the table of numbers, the film, and a
// voice for screen readers.

import { save } from "./picture.js";
import { oneOf, whole } from "./share.js";

const SLIDERS = ["g-rate", "d-rate"];
const TELL_MS = 5000; // from one sentence for screen readers to the next
const SEED = whole(9999);
let told = 0;

/** An element of the page, by its id. @type {(id: string) => any} */
export const $ = (id) => document.getElementById(id);

/** Two sliders over a list of rates; `changed` is called when the visitor moves one. */
export class Rates {
  constructor(choices, changed) {
    this.choices = choices;
    for (const id of SLIDERS) {
      $(id).addEventListener("input", () => {
        this.name();
        changed();
      });
    }
  }

  get() {
    const [gRate, dRate] = SLIDERS.map((id) => this.choices[$(id).value]);
    return { gRate, dRate };
  }

  set({ gRate, dRate }) {
    for (const [n, rate] of [gRate, dRate].entries()) $(SLIDERS[n]).value = this.choices.indexOf(rate);
    this.name();
  }

  name() {
    for (const id of SLIDERS) {
      const rate = this.choices[$(id).value].toFixed(6).replace(/0+$/, ""); // without 1e-5 and without trailing zeros
      $(`${id}-value`).value = rate;
      $(id).setAttribute("aria-valuetext", rate);
    }
  }
}

// ---- the seed: what is none is said so, and the one before stays

let kept = 0;

export const seed = () => kept;

export function setSeed(value) {
  kept = value;
  $("seed").value = value;
}

/** changed: called when the visitor has given another seed. */
export function onSeed(changed) {
  $("seed").addEventListener("change", () => {
    const value = SEED($("seed").value);
    const problem = `A seed is a whole number from 0 to 9,999. It stays ${kept}.`;
    $("seed-problem").textContent = value === undefined ? problem : "";
    setSeed(value ?? kept);
    if (value !== undefined) changed();
  });
}

/** What an address may say of both games: see share.js. */
export const linkRules = (choices) => ({ seed: SEED, g: oneOf(choices), d: oneOf(choices) });

/** What it says of the page as it is. */
export const linkState = (rates) => ({ seed: kept, g: rates.get().gRate, d: rates.get().dRate });

// ---- telling

/**
 * Fills the table, with a dash for what is not known yet, and names the curves.
 *
 * numbers: texts by the ids of their places; unit: the one that counts moves or steps; last: what the last one gave.
 */
export function showNumbers(numbers, unit, last) {
  const all = {
    ...numbers,
    "d-loss": last?.dLoss.toFixed(3),
    "g-loss": last?.gLoss.toFixed(3),
    "on-real": last?.onReal.toFixed(2),
    "on-fakes": last?.onFakes.toFixed(2),
  };
  for (const [id, value] of Object.entries(all)) $(id).textContent = value ?? "–";
  const label = `Losses over ${numbers[unit]} ${unit}, now ${all["d-loss"]} of D, ${all["g-loss"]} of G`;
  $("losses").setAttribute("aria-label", last ? label : "No losses yet");
}

/** Says a sentence to screen readers: while the game runs now and then, else at once. */
export function say(sentence, running) {
  if (running && performance.now() - told <= TELL_MS) return;
  told = performance.now();
  $("status").textContent = sentence;
}

export function showRunning(on) {
  $("start").textContent = on ? "Pause" : "Start";
  $("start").setAttribute("aria-pressed", on);
}

/** Shows a sentence on what was copied or saved. */
export const tell = (sentence) => {
  $("saved").textContent = sentence;
};

/** Lets the button save a film, which `make` makes: that takes a second. */
export function savesFilm(make, name) {
  $("film").addEventListener("click", async () => {
    $("film").disabled = true;
    tell("Making the film.");
    await new Promise((done) => setTimeout(done, 50)); // until the sentence is seen
    const film = make();
    save(film, name);
    tell(`Saved ${name}, ${Math.round(film.size / 1000)} kB.`);
    $("film").disabled = false;
  });
}
