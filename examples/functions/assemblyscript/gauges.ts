/*
 * gauges: a plugin in AssemblyScript, over the numeric ABI. Numbers come as
 * they are. A string comes as eKuiper's WebAssembly plugins took it: the host
 * calls malloc, writes the text in UTF-8 with a 0 byte behind it, and hands over
 * the address.
 */

/** What a failed check of AssemblyScript's runtime comes to: a trap. */
export function ended(_message: usize, _file: usize, _line: u32, _column: u32): void {
  unreachable();
}

export function malloc(size: i32): usize {
  return heap.alloc(size);
}

export function free(block: usize): void {
  heap.free(block);
}

export function fahrenheit(celsius: f64): f64 {
  return celsius * 9 / 5 + 32;
}

export function clamp(value: f64, low: f64, high: f64): f64 {
  return max(low, min(high, value));
}

export function fibonacci(n: i32): i64 {
  let a: i64 = 0, b: i64 = 1;
  for (; n > 0; n--) {
    const next = a + b;
    a = b;
    b = next;
  }
  return a;
}

/** The 0-terminated UTF-8 at an address. */
function text(at: usize): string {
  let end = at;
  while (load<u8>(end)) end++;
  return String.UTF8.decodeUnsafe(at, end - at);
}

/** How many characters a text has, spaces not counted. */
export function letters(line: usize): i32 {
  const s = text(line);
  let n = 0;
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c != 32 && (c & 0xfc00) != 0xdc00) n++; // of a surrogate pair only the first counts
  }
  return n;
}

/** The position of the second text in the first; -1 if it is not there. */
export function find(where: usize, what: usize): i32 {
  return text(where).indexOf(text(what));
}

/** A text to a number, times a factor: "21.5°C" and 2 is 43. NaN is no number. */
export function scaled(value: usize, factor: f64): f64 {
  return parseFloat(text(value)) * factor;
}
