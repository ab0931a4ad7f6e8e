/** How many tasks to have ready: as many as the person goes through while one more is fetched and decoded. */

const FEWEST = 4;
const MOST = 20;
const SPARE = 3;
const MOST_BYTES = 48_000_000;
const WEIGHT = 0.3;

export interface Measured {
  /** From one answer to the next, in seconds. */
  readonly pace: number;
  /** From asking for tasks to having them, in seconds. */
  readonly claim: number;
  /** From asking for one task's picture to its being decoded, in seconds; 0 where there is none. */
  readonly load: number;
  /** Of one task's picture. */
  readonly bytes: number;
}

/** Deeper for a faster person, a slower way and bigger pictures; never more than 20 tasks or 48 MB, never under 4. */
export function depth({ pace, claim, load, bytes }: Measured): number {
  const needed = Math.ceil((claim + 2 * load) / Math.max(pace, 0.05)) + SPARE;
  const room = bytes > 0 ? Math.floor(MOST_BYTES / bytes) : MOST;
  return Math.max(FEWEST, Math.min(needed, room, MOST));
}

/** The running mean, in which the last handful counts most. */
export function blend(old: number, seen: number): number {
  return old === 0 ? seen : old + WEIGHT * (seen - old);
}
