/**
 * Which key gives which label: its number, and its first letter where no other label or command has it.
 * Labels that are single digits are their own keys.
 */

const TAKEN = new Set(["s", "u", "g"]);

export function keysOf(labels: readonly string[]): ReadonlyMap<string, string> {
  if (labels.every((label) => /^\d$/.test(label))) return new Map(labels.map((label) => [label, label]));
  const keys = new Map<string, string>();
  labels.slice(0, 9).forEach((label, i) => keys.set(String(i + 1), label));
  const letters = labels.map((label) => label.charAt(0).toLowerCase());
  labels.forEach((label, i) => {
    const letter = letters[i] ?? "";
    const isOwn = letters.filter((other) => other === letter).length === 1;
    if (isOwn && /^[a-z]$/.test(letter) && !TAKEN.has(letter)) keys.set(letter, label);
  });
  return keys;
}
