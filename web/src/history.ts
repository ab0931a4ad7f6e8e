/** The last answers of this person, kept in the browser so that they can be taken back after a reload too. */

import type { Task } from "./api.ts";
import type { Shelf } from "./shelf.ts";

const MOST = 20;
const MOST_DRAFTS = 200;
const MOST_CHARACTERS = 600_000;
const NAME = "history";

/** What somebody has said of a task so far: kept while they say it, and again once they take it back. */
export interface Draft {
  readonly picked: readonly string[];
  readonly comment: string;
  readonly isFlagged: boolean;
}

export const BLANK: Draft = { picked: [], comment: "", isFlagged: false };

export interface Given {
  readonly id: string;
  readonly task: string;
  readonly answer: string;
  readonly draft: Draft;
  /** For showing it again before the server answers; null where it was too large to keep. */
  readonly copy: Task | null;
}

export class History {
  private given: Given[];

  constructor(private readonly shelf: Shelf) {
    this.given = shelf.read<Given[]>(NAME, []);
  }

  get last(): Given | undefined {
    return this.given.at(-1);
  }

  add(one: Given): void {
    this.given = [...this.given, one].slice(-MOST);
    this.keep();
  }

  drop(id: string): void {
    this.given = this.given.filter((one) => one.id !== id);
    this.keep();
  }

  /** As another tab has left it. */
  reread(): void {
    this.given = this.shelf.read<Given[]>(NAME, []);
  }

  /** The copies of the oldest tasks give way when all together grow large. */
  private keep(): void {
    let room = MOST_CHARACTERS;
    const kept = [...this.given].reverse().map((one) => {
      room -= JSON.stringify(one.copy).length;
      return room < 0 ? { ...one, copy: null } : one;
    });
    this.given = kept.reverse();
    this.shelf.keep(NAME, this.given);
  }
}

export class Drafts {
  constructor(private readonly shelf: Shelf) {
    for (const name of shelf.names("draft/").slice(0, -MOST_DRAFTS)) shelf.drop(name);
  }

  of(task: string): Draft {
    return this.shelf.read<Draft>(`draft/${task}`, BLANK);
  }

  keep(task: string, draft: Draft): void {
    const isBlank = draft.picked.length === 0 && !draft.comment && !draft.isFlagged;
    if (isBlank) this.shelf.drop(`draft/${task}`);
    else this.shelf.keep(`draft/${task}`, draft);
  }

  drop(task: string): void {
    this.shelf.drop(`draft/${task}`);
  }
}
