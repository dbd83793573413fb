// What a page is set to, in its address behind the "#": a link to it opens the page in the same state.

const WRITE_MS = 300; // browsers allow about three changes of the address a second

/**
 * Reads what the address says.
 *
 * rules: for each name that the page knows, a function from the text behind it to a value, or to undefined where the
 * text is none. Returns the values by their names, and a sentence on what was ignored, "" where nothing was.
 */
export function fromAddress(rules) {
  const values = {};
  const ignored = [];
  for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
    if (!Object.hasOwn(rules, name)) continue; // a heading, or what a later version may know
    const value = rules[name](text);
    if (value === undefined) ignored.push(`${name}=${text.slice(0, 20)}`);
    else values[name] = value;
  }
  const what = ignored.length > 1 ? "values that do not fit, and they were ignored" : "a value that does not fit, and it was ignored";
  return { values, sentence: ignored.length ? `The link has ${what}: ${ignored.join(", ")}.` : "" };
}

// Another link, opened in the same tab, changes the address alone.
addEventListener("hashchange", () => location.hash.includes("=") && location.reload());

let waiting;

/** Keeps the address as the page is: `state` gives texts by their names. What is undefined is left out. */
export function toAddress(state) {
  clearTimeout(waiting);
  waiting = setTimeout(() => history.replaceState(null, "", linkTo(state())), WRITE_MS);
}

function linkTo(state) {
  const entries = Object.entries(state).filter(([, text]) => text !== undefined);
  const words = entries.map(([name, text]) => `${name}=${encodeURIComponent(text).replaceAll("%2C", ",")}`);
  return words.length ? `#${words.join("&")}` : location.pathname;
}

/** Lets a button copy the link. `tell` is given a sentence. */
export function copies(button, state, tell) {
  button.addEventListener("click", async () => {
    clearTimeout(waiting);
    history.replaceState(null, "", linkTo(state()));
    try {
      await navigator.clipboard.writeText(location.href);
      tell("The link is copied. It opens this page as it is set now.");
    } catch {
      tell("The browser does not let a page copy. The link stands in its address bar."); // or the page has no https
    }
  });
}

// ---- texts and values

/** A whole number from 0 to `most`. */
export const whole = (most) => (text) => (/^\d{1,10}$/.test(text) && Number(text) <= most ? Number(text) : undefined);

/** One of some numbers or texts. */
export const oneOf = (choices) => (text) => choices.find((choice) => String(choice) === text);

/** A decimal number between two others. */
export const between = (least, most) => (text) =>
  /^-?\d+(\.\d+)?$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : undefined;

/** Bytes as letters that an address may have, and back: undefined where they are none. */
export const toLetters = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

export function fromLetters(text) {
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  } catch {
    return undefined;
  }
}
