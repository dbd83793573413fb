// The landing page's second picture: eight images, drawn anew each time by the course's generator.
import { loadGenerator } from "../explorer/generator.js";
import { paint } from "../explorer/picture.js";
import { normal, uniform } from "../explorer/random.js";

const section = document.getElementById("live");
const canvases = section.querySelectorAll("canvas");
const random = uniform(crypto.getRandomValues(new Uint32Array(1))[0]);
let generator;

async function draw() {
  try {
    generator ??= await loadGenerator(new URL("../explorer/fashion", import.meta.url).href);
  } catch {
    return; // without a network the squares stay grey, and the button tries again
  }
  for (const canvas of canvases) paint(canvas, generator.draw(normal(random, generator.latentDim)), generator.size);
  section.classList.add("drawn");
}

section.querySelector("button").addEventListener("click", draw);
// 0.7 MB: not before the reader comes near it, and not at all by itself where data are to be saved.
const near = new IntersectionObserver((entries) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  near.disconnect();
  if (!navigator.connection?.saveData) draw();
});
near.observe(section);
