/**
 * Answers, skips and undos on their way: each is kept in the browser before the next frame, sent in the order in which
 * they were given, and dropped when the server has judged it. Ids are made once and are idempotency keys, so that
 * sending again is safe. Of several tabs, the one that holds the lock sends for all.
 */

import { type Answer, type Pass, type Task, Desk, Refused, isFinal } from "./api.ts";
import type { Shelf } from "./shelf.ts";

const AGAIN_MS = 1500;
const SLOWEST_MS = 12_000;
const MOST = 100;
const FOLDER = "out/";

export interface TakenBack {
  readonly id: string;
  readonly task: string;
  readonly annotation: string;
}

export type Parcel =
  | { readonly kind: "answer"; readonly body: Answer }
  | { readonly kind: "skip"; readonly body: Pass }
  | { readonly kind: "undo"; readonly body: TakenBack };

export type Way = "open" | "away" | "signed out" | "full";

export interface Watcher {
  /** The number of waiting parcels moved, or how the way to the server is. */
  changed(): void;
  refused(sentence: string, parcel: Parcel | null): void;
  reopened(task: Task): void;
}

export class Outbox {
  way: Way = "open";
  private readonly waiting = new Map<string, Parcel>();
  private readonly sending = new Set<string>();
  private flight: Promise<void> | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private tries = 0;
  private last = 0;

  constructor(
    private readonly desk: Desk,
    private readonly shelf: Shelf,
    private readonly watcher: Watcher,
  ) {
    this.look();
    addEventListener("online", () => void this.flush());
    addEventListener("storage", (event) => {
      if (event.key?.startsWith(shelf.prefix + FOLDER)) this.look();
    });
  }

  get size(): number {
    return this.waiting.size;
  }

  /** Answers that wait and stand: what the tally tells. */
  get answers(): number {
    const all = [...this.waiting.values()];
    const taken = new Set(all.map((parcel) => (parcel.kind === "undo" ? parcel.body.annotation : "")));
    return all.filter((parcel) => parcel.kind === "answer" && !taken.has(parcel.body.id)).length;
  }

  /** How many answers the server counts too few: given and not sent, less those to be taken back. */
  get balance(): number {
    const kinds = [...this.waiting.values()].map((parcel) => parcel.kind);
    return kinds.filter((kind) => kind === "answer").length - kinds.filter((kind) => kind === "undo").length;
  }

  /** Whether something about this task is on its way, other than its being taken back. */
  holds(task: string): boolean {
    const about = [...this.waiting.values()].filter((parcel) => parcel.body.task === task);
    return about.length > 0 && about.at(-1)?.kind !== "undo";
  }

  add(parcel: Parcel): void {
    this.last = Math.max(Date.now(), this.last + 1);
    const name = `${FOLDER}${this.last.toString(36).padStart(9, "0")}-${parcel.body.id}`;
    this.waiting.set(name, parcel);
    if (!this.shelf.keep(name, parcel)) this.turn("full");
    this.watcher.changed();
    void this.flush();
  }

  /** Send what waits; resolves when nothing waits or the server cannot be reached. */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.flight ??= this.drain().finally(() => {
      this.flight = null;
    });
    return this.flight;
  }

  /** What any other call to the server met: the way is one for all. */
  arrived(): void {
    if (this.way !== "full" || this.size === 0) this.turn("open");
  }

  failed(error: unknown): void {
    if (!(error instanceof Refused)) this.turn("away");
    else if (error.status === 401) this.turn("signed out");
    else this.watcher.refused(error.message, null);
  }

  private async drain(): Promise<void> {
    try {
      await alone(`${this.shelf.prefix}send`, async () => {
        this.look();
        for (let run = this.run(); run.length > 0; run = this.run()) {
          await this.send(run);
          this.arrived();
        }
      });
      this.tries = 0;
    } catch (error) {
      this.failed(error);
      this.tries += 1;
      this.timer = setTimeout(() => void this.flush(), Math.min(SLOWEST_MS, AGAIN_MS * 1.5 ** (this.tries - 1)));
    } finally {
      this.sending.clear();
    }
  }

  /** What is sent next: the answers up to the first skip or undo, or that one alone. */
  private run(): string[] {
    const names = [...this.waiting.keys()].sort();
    const end = names.findIndex((name) => this.waiting.get(name)?.kind !== "answer");
    return end === 0 ? names.slice(0, 1) : names.slice(0, Math.min(MOST, end < 0 ? MOST : end));
  }

  /** Answers that are refused together are sent one by one, so that a bad one does not hold the good ones back. */
  private async send(names: readonly string[]): Promise<void> {
    for (const name of names) this.sending.add(name);
    const parcels = names.flatMap((name) => this.waiting.get(name) ?? []);
    try {
      await this.deliver(parcels);
    } catch (error) {
      if (!isFinal(error)) throw error;
      if (names.length > 1) {
        for (const name of names) await this.send([name]);
        return;
      }
      this.watcher.refused(error.message, parcels[0] ?? null);
      this.forget(this.undosOf(names));
    }
    this.forget(names);
  }

  private async deliver(parcels: readonly Parcel[]): Promise<void> {
    const first = parcels[0];
    if (!first) return;
    if (first.kind === "answer") {
      await this.desk.post("/api/annotations", { annotations: parcels.map((parcel) => parcel.body) });
    } else if (first.kind === "skip") {
      const { id: _, ...body } = first.body; // the task and its annotator say which skip it is
      await this.desk.post("/api/skip", body);
    } else {
      const done = await this.desk.post<{ task: Task }>("/api/undo", { annotation: first.body.annotation });
      this.watcher.reopened(done.task);
    }
  }

  /** An answer that was refused cannot be taken back. */
  private undosOf(names: readonly string[]): string[] {
    const gone = new Set(names.map((name) => this.waiting.get(name)?.body.id));
    return [...this.waiting]
      .filter(([, parcel]) => parcel.kind === "undo" && gone.has(parcel.body.annotation))
      .map(([name]) => name);
  }

  private forget(names: readonly string[]): void {
    for (const name of names) {
      this.waiting.delete(name);
      this.sending.delete(name);
      this.shelf.drop(name);
    }
    this.watcher.changed();
  }

  /** What is kept, also by another tab; what another tab has seen through is forgotten here. */
  private look(): void {
    const kept = new Set(this.shelf.names(FOLDER));
    for (const name of kept) {
      const parcel = this.waiting.has(name) ? null : this.shelf.read<Parcel | null>(name, null);
      if (parcel?.body) this.waiting.set(name, parcel);
    }
    for (const name of this.waiting.keys()) {
      if (!kept.has(name) && this.way !== "full" && !this.sending.has(name)) this.waiting.delete(name);
    }
    this.watcher.changed();
  }

  private turn(way: Way): void {
    if (this.way === way) return;
    this.way = way;
    this.watcher.changed();
  }
}

/** Run it while no other tab does. Pages that did not come by https have no locks: there the ids alone keep order. */
async function alone(name: string, work: () => Promise<void>): Promise<void> {
  await ("locks" in navigator ? navigator.locks.request(name, work) : work());
}
