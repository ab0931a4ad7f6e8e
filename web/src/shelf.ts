/**
 * What this browser keeps of one person's work in one loop, until the server has it. localStorage, since it is written
 * before the next frame and read after a crash; about 5 MB, which is more than ten thousand answers that wait.
 */

export class Shelf {
  readonly prefix: string;

  constructor(loop: string, person: string) {
    this.prefix = `loopline/${loop}/${person}/`;
  }

  /** What is kept under this name; `otherwise` where there is nothing, or nothing that can be read. */
  read<T>(name: string, otherwise: T): T {
    try {
      const kept = localStorage.getItem(this.prefix + name);
      return kept === null ? otherwise : (JSON.parse(kept) as T);
    } catch {
      return otherwise;
    }
  }

  /** Whether there was room for it. */
  keep(name: string, value: unknown): boolean {
    try {
      localStorage.setItem(this.prefix + name, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }

  drop(name: string): void {
    localStorage.removeItem(this.prefix + name);
  }

  /** Names below `folder`, in order. */
  names(folder: string): string[] {
    const start = this.prefix + folder;
    const all = Array.from({ length: localStorage.length }, (_, i) => localStorage.key(i) ?? "");
    return all
      .filter((key) => key.startsWith(start))
      .map((key) => key.slice(this.prefix.length))
      .sort();
  }
}

/** 16 random hex digits, also where the page did not come by https. */
export function token(): string {
  const drawn = crypto.getRandomValues(new Uint32Array(2));
  return [...drawn].map((part) => part.toString(16).padStart(8, "0")).join("");
}
