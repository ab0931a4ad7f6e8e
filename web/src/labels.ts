/**
 * Which key gives which label: its number, and its first letter where no other label has it. Labels come first:
 * skipping and undoing take the first of their own letters that no label needs.
 * Labels that are single digits are their own keys.
 */

const SKIP = ["s", "x", "k"];
const UNDO = ["u", "z", "b"];

export interface Keys {
  /** Key -> label. */
  readonly labels: ReadonlyMap<string, string>;
  /** Empty when labels took every letter that it could have. */
  readonly skip: string;
  readonly undo: string;
}

export function keysOf(labels: readonly string[]): Keys {
  const keys = labels.every((label) => /^\d$/.test(label)) ? ownDigits(labels) : numbersAndLetters(labels);
  const free = (wished: readonly string[]): string => wished.find((key) => !keys.has(key)) ?? "";
  return { labels: keys, skip: free(SKIP), undo: free(UNDO) };
}

/** Every key that gives this label, as it stands on its cap. */
export function capsOf(keys: Keys, label: string): readonly string[] {
  return [...keys.labels].filter(([, given]) => given === label).map(([key]) => key.toUpperCase());
}

function ownDigits(labels: readonly string[]): Map<string, string> {
  return new Map(labels.map((label) => [label, label]));
}

function numbersAndLetters(labels: readonly string[]): Map<string, string> {
  const keys = new Map<string, string>();
  labels.slice(0, 9).forEach((label, i) => keys.set(String(i + 1), label));
  const letters = labels.map((label) => label.charAt(0).toLowerCase());
  labels.forEach((label, i) => {
    const letter = letters[i] ?? "";
    const isOwn = letters.filter((other) => other === letter).length === 1;
    if (isOwn && /^[a-z]$/.test(letter)) keys.set(letter, label);
  });
  return keys;
}
