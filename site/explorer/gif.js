// Moving pictures as a GIF file, from the format's specification (GIF89a): a palette of 256 colours, then every frame
// as numbers of colours, packed by LZW. LZW replaces runs of numbers that it has met before by one code.

/** Encodes frames of colour numbers (Uint8Array, width * height each); palette: 256 * 3 bytes; delay in 1/100 s. */
export function encodeGif(frames, width, height, palette, delay) {
  const short = (number) => [number & 255, number >> 8];
  const bytes = [
    ...text("GIF89a"), ...short(width), ...short(height), 0xf7, 0, 0, ...palette, // 0xf7: a palette of 256 colours
    0x21, 0xff, 11, ...text("NETSCAPE2.0"), 3, 1, 0, 0, 0, // play for ever
  ];
  const parts = [Uint8Array.from(bytes)];
  for (const frame of frames) {
    parts.push(Uint8Array.from([0x21, 0xf9, 4, 0, ...short(delay), 0, 0])); // how long it stays
    parts.push(Uint8Array.from([0x2c, 0, 0, 0, 0, ...short(width), ...short(height), 0])); // where it lies
    parts.push(inBlocks(lzw(frame)));
  }
  parts.push(Uint8Array.from([0x3b]));
  return new Blob(parts, { type: "image/gif" });
}

const text = (letters) => [...letters].map((letter) => letter.charCodeAt(0));

const CLEAR = 256;
const END = 257;

function lzw(numbers) {
  const bytes = [];
  let buffer = 0;
  let filled = 0;
  let width = 9; // bits of a code
  const write = (code) => {
    buffer |= code << filled;
    for (filled += width; filled >= 8; filled -= 8, buffer >>>= 8) bytes.push(buffer & 255);
  };

  const known = new Map(); // (code of a run, next number) -> code of the longer run
  let next = END + 1;
  write(CLEAR);
  let run = numbers[0];
  for (let n = 1; n < numbers.length; n++) {
    const key = run * 256 + numbers[n];
    if (known.has(key)) {
      run = known.get(key);
      continue;
    }
    write(run);
    if (next === 4096) {
      // No code is longer than 12 bits: start over.
      write(CLEAR);
      known.clear();
      next = END + 1;
      width = 9;
    } else {
      if (next === 1 << width) width += 1;
      known.set(key, next++);
    }
    run = numbers[n];
  }
  write(run);
  write(END);
  if (filled > 0) bytes.push(buffer & 255);
  return bytes;
}

function inBlocks(bytes) {
  const out = [];
  for (let n = 0; n < bytes.length; n += 255) {
    const block = bytes.slice(n, n + 255);
    out.push(block.length, ...block);
  }
  return Uint8Array.from([8, ...out, 0]); // 8: bits of a colour number
}

/**
 * Chooses 256 colours for images of 0..255 and returns them with a function from an image to its numbers. Grey images
 * keep every grey. Colours are sorted into boxes by median cut: the box that matters most is cut in two, again and
 * again, and each colour becomes the mean of its box.
 */
export function choosePalette(images, channels) {
  const palette = new Uint8Array(768);
  if (channels === 1) return { palette: palette.map((_, n) => n / 3), toNumbers: (image) => image };

  const counts = new Map(); // how often a colour occurs, in steps of 8
  const keyAt = (image, n) => ((image[n] >> 3) << 10) | ((image[n + 1] >> 3) << 5) | (image[n + 2] >> 3);
  for (const image of images) {
    for (let n = 0; n < image.length; n += 3) counts.set(keyAt(image, n), (counts.get(keyAt(image, n)) ?? 0) + 1);
  }
  const colours = [...counts].map(([key, count]) => ({ key, count, rgb: [key >> 10, (key >> 5) & 31, key & 31] }));
  const boxes = [measured(colours)];
  while (boxes.length < 256) {
    boxes.sort((a, b) => a.weight - b.weight);
    if (boxes.at(-1).weight === 0) break; // each box is one colour
    boxes.push(...cut(boxes.pop()));
  }
  const numberOf = new Map();
  for (const [number, { members, count }] of boxes.entries()) {
    for (const { key } of members) numberOf.set(key, number);
    for (let c = 0; c < 3; c++) {
      const sum = members.reduce((total, member) => total + member.count * member.rgb[c], 0);
      palette[3 * number + c] = Math.round(((sum / count) * 255) / 31);
    }
  }
  const toNumbers = (image) =>
    Uint8Array.from({ length: image.length / 3 }, (_, n) => numberOf.get(keyAt(image, 3 * n)));
  return { palette, toNumbers };
}

/** A box of colours: how many pixels it has, its widest axis, and how much a cut there would help. */
function measured(members) {
  const widths = [0, 1, 2].map((c) => {
    const values = members.map(({ rgb }) => rgb[c]);
    return values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b));
  });
  const widest = Math.max(...widths);
  const count = members.reduce((sum, member) => sum + member.count, 0);
  return { members, count, axis: widths.indexOf(widest), weight: Math.sqrt(count) * widest };
}

function cut({ members, count, axis }) {
  members.sort((a, b) => a.rgb[axis] - b.rgb[axis]);
  let at = 0;
  for (let sum = 0; sum + members[at].count <= count / 2 && at < members.length - 2; at++) sum += members[at].count;
  return [measured(members.slice(0, at + 1)), measured(members.slice(at + 1))];
}
