/**
 * Which key gives which label or command. A label has its number, and its first letter where no other label has that;
 * the tenth has 0, later ones without a letter of their own the first that is free. Labels come first: commands take
 * the first of their own letters that no label needs. Labels that are single digits are their own keys.
 * A person's own choice replaces all of these for that label or command.
 */

export const COMMANDS = ["skip", "undo", "flag", "comment", "guideline", "like", "group"] as const;
export type Command = (typeof COMMANDS)[number];

const WISHES: Readonly<Record<Command, string>> = {
  skip: "sxk",
  undo: "uzb",
  flag: "fvq",
  comment: "cmn",
  guideline: "hij",
  like: "lwe",
  group: "goy",
};
const DIGITS = "1234567890";
const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** What a person chose: key by `label:good` or by the command's name. */
export type Chosen = Readonly<Record<string, string>>;

export interface Keys {
  /** Key -> label. */
  readonly labels: ReadonlyMap<string, string>;
  /** Command -> key; empty when labels took every letter that it could have. */
  readonly commands: Readonly<Record<Command, string>>;
}

export function keysOf(labels: readonly string[], chosen: Chosen = {}): Keys {
  const taken = new Set(Object.values(chosen));
  const usual = labels.every((label) => /^\d$/.test(label)) ? ownDigits(labels) : numbersAndLetters(labels);
  const keys = new Map([...usual].filter(([key, label]) => !taken.has(key) && !chosen[labelAct(label)]));
  for (const label of labels) {
    const own = chosen[labelAct(label)];
    if (own) keys.set(own, label);
  }
  const used = new Set([...taken, ...keys.keys()]);
  const commands = {} as Record<Command, string>;
  for (const command of COMMANDS) {
    const key = chosen[command] ?? [...WISHES[command]].find((wish) => !used.has(wish)) ?? "";
    commands[command] = key;
    used.add(key);
  }
  return { labels: keys, commands };
}

export const labelAct = (label: string): string => `label:${label}`;

/** Every key that gives this label, as it stands on its cap. */
export function capsOf(keys: Keys, label: string): readonly string[] {
  return [...keys.labels].filter(([, given]) => given === label).map(([key]) => key.toUpperCase());
}

/** What this key gives already: `label:good`, a command's name, or nothing. */
export function actOf(keys: Keys, key: string): string {
  const label = keys.labels.get(key);
  if (label !== undefined) return labelAct(label);
  return COMMANDS.find((command) => keys.commands[command] === key) ?? "";
}

/** The key that was pressed as its cap says; on a keyboard of other letters or shifted digits, the one in its place. */
export function keyOf(event: KeyboardEvent, keys: Keys): string {
  const key = event.key.toLowerCase();
  if (actOf(keys, key) || event.shiftKey) return key;
  const place = /^(?:Key|Digit|Numpad)(\w)$/.exec(event.code)?.[1]?.toLowerCase() ?? "";
  return /^[a-z0-9]$/.test(key) || !actOf(keys, place) ? key : place;
}

function ownDigits(labels: readonly string[]): Map<string, string> {
  return new Map(labels.map((label) => [label, label]));
}

function numbersAndLetters(labels: readonly string[]): Map<string, string> {
  const keys = new Map<string, string>();
  labels.slice(0, DIGITS.length).forEach((label, i) => keys.set(DIGITS.charAt(i), label));
  const letters = labels.map((label) => label.charAt(0).toLowerCase());
  labels.forEach((label, i) => {
    const letter = letters[i] ?? "";
    const isOwn = letters.filter((other) => other === letter).length === 1;
    if (isOwn && /^[a-z]$/.test(letter)) keys.set(letter, label);
  });
  const reached = new Set(keys.values());
  for (const label of labels) {
    const free = reached.has(label) ? undefined : [...label.toLowerCase(), ...LETTERS].find((key) => isFree(key, keys));
    if (free) keys.set(free, label);
  }
  return keys;
}

const isFree = (key: string, keys: ReadonlyMap<string, string>): boolean => LETTERS.includes(key) && !keys.has(key);
