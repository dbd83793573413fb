// From images in [-1, 1] to what can be seen and saved. An image is flat, channels-last, 1 channel or 3.

import { choosePalette, encodeGif } from "./gif.js";

export const toBytes = (image) => Uint8ClampedArray.from(image, (value) => (value + 1) * 127.5);

/** Paints an image onto a canvas, a canvas pixel for each of its own, at a row and column of pictures. */
export function paint(canvas, image, size, row = 0, column = 0) {
  const channels = image.length / size ** 2;
  const bytes = toBytes(image);
  const data = new ImageData(size, size);
  for (let pixel = 0; pixel < size ** 2; pixel++) {
    for (let c = 0; c < 3; c++) data.data[4 * pixel + c] = bytes[pixel * channels + (c % channels)];
    data.data[4 * pixel + 3] = 255; // opaque
  }
  canvas.getContext("2d").putImageData(data, column * size, row * size);
}

/** Empties a canvas and gives it another size. */
export function clear(canvas, side) {
  canvas.width = canvas.height = side;
}

/** Enlarges a picture of bytes without smoothing: each pixel becomes times x times pixels. */
export function enlarge(bytes, size, times) {
  const channels = bytes.length / size ** 2;
  const side = size * times;
  return Uint8Array.from({ length: side ** 2 * channels }, (_, n) => {
    const pixel = Math.floor(n / channels);
    const row = Math.floor(pixel / side / times);
    const column = Math.floor((pixel % side) / times);
    return bytes[(row * size + column) * channels + (n % channels)];
  });
}

/** Makes a GIF of images, enlarged to about `side` pixels; `delay` in hundredths of a second. */
export const gifOf = (images, size, delay, side = 196) => gifOfBytes(images.map(toBytes), size, delay, side);

/** The same of pictures of bytes. */
export function gifOfBytes(pictures, size, delay, side) {
  const times = Math.max(1, Math.round(side / size));
  const { palette, toNumbers } = choosePalette(pictures, pictures[0].length / size ** 2);
  const frames = pictures.map((picture) => enlarge(toNumbers(picture), size, times));
  return encodeGif(frames, size * times, size * times, palette, delay);
}

/**
 * The film of a whole training, however long. When it is full, every second picture is left out, and of what follows
 * half as many are taken.
 */
export class Film {
  constructor(most = 60) {
    this.most = most;
    this.pictures = [];
    this.seen = 0;
    this.stride = 1;
  }

  /** take: a function that returns the picture as it is now. It is called when this one is wanted. */
  add(take) {
    if (this.seen++ % this.stride) return;
    this.pictures.push(take());
    if (this.pictures.length < this.most) return;
    this.pictures = this.pictures.filter((_, n) => n % 2 === 0);
    this.stride *= 2;
  }

  /** A GIF of it, with `last`, the picture as it is now, for a second at its end. `bytes` makes bytes of a picture. */
  gif(last, size, side, bytes = (picture) => picture) {
    const pictures = [...this.pictures, last].map(bytes);
    return gifOfBytes([...pictures, ...new Array(9).fill(pictures.at(-1))], size, 10, side);
  }
}

/** Makes a PNG of a canvas, enlarged to about `side` pixels. */
export function pngOf(canvas, side = 448) {
  const large = document.createElement("canvas");
  clear(large, canvas.width * Math.round(side / canvas.width));
  const context = large.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, 0, 0, large.width, large.height);
  return new Promise((done) => large.toBlob(done));
}

/** Hands a file to the reader, as a download. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
