/** The tasks ahead: claimed, drawn and decoded before they are needed, held while the page works, given back after. */

import { blend, depth } from "./ahead.ts";
import type { Desk, Task } from "./api.ts";
import type { Outbox } from "./outbox.ts";
import { type Drawn, draw } from "./views.ts";

const MOST_CLAIMED = 50;
const LONGEST_PACE = 60;
const REFILL = 0.7;
const IDLE_SECONDS = 900;
const FIRST_LEASE = 300;

export class Supply {
  /** Whether the server has been asked at all: before that, nobody knows that there is nothing. */
  hasAsked = false;
  paused = "";
  quotaLeft: number | null = null;
  private queue: Task[] = [];
  private readonly drawn = new Map<string, Drawn>();
  private readonly done = new Set<string>();
  private readonly leased = new Set<string>();
  private lease = FIRST_LEASE;
  private asking: Promise<void> | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private pace = 2;
  private claimTime = 0.2;
  private load = 0;
  private bytes = 0;
  private takenAt = 0;
  private actedAt = performance.now();

  /** `arrived` is called when tasks came or went without the person's doing. */
  constructor(
    private readonly desk: Desk,
    private readonly outbox: Outbox,
    private readonly arrived: () => void,
  ) {
    this.renewSoon();
  }

  get current(): Task | undefined {
    return this.queue[0];
  }

  /** How many tasks to have ready. */
  get depth(): number {
    return depth({ pace: this.pace, claim: this.claimTime, load: this.load, bytes: this.bytes });
  }

  /** Ids of all that lie here. */
  get ids(): readonly string[] {
    return this.queue.map((task) => task.id);
  }

  get isLow(): boolean {
    return this.queue.length <= this.depth * REFILL + 1;
  }

  /** The first task leaves the desk: it was answered or passed on. */
  take(): Task | undefined {
    const task = this.queue.shift();
    if (!task) return undefined;
    const now = performance.now();
    if (this.takenAt > 0) this.pace = blend(this.pace, Math.min(LONGEST_PACE, (now - this.takenAt) / 1000));
    this.takenAt = this.actedAt = now;
    this.done.add(task.id);
    this.leave(task.id);
    return task;
  }

  /** Puts a task that was taken back before all the others. */
  put(task: Task): void {
    this.done.delete(task.id);
    this.remove(task.id);
    this.queue.unshift(task);
  }

  /** Takes it off the desk, wherever it lies. */
  remove(id: string): void {
    this.queue = this.queue.filter((task) => task.id !== id);
    this.leave(id);
  }

  /** Its answer was taken back: it may come again. */
  forget(id: string): void {
    this.done.delete(id);
  }

  settle(id: string): void {
    this.done.add(id);
    this.remove(id);
  }

  /** The server has leased it to us again, by taking an answer back; one that is answered already is left alone. */
  reopened(task: Task): boolean {
    this.leased.add(task.id);
    if (this.done.has(task.id) || this.queue.some((held) => held.id === task.id)) return false;
    this.queue.unshift(task);
    return true;
  }

  /** The sample as it is painted, drawn now if that was not done before. */
  of(task: Task): Drawn {
    const known = this.drawn.get(task.id);
    if (known) return known;
    const fresh = draw(task.view);
    this.drawn.set(task.id, fresh);
    void fresh.ready.then((seconds) => {
      if (seconds > 0) this.load = blend(this.load, seconds);
      if (fresh.bytes > 0) this.bytes = blend(this.bytes, fresh.bytes);
    });
    return fresh;
  }

  /** Has the sample after the shown one decoded when its turn comes. */
  warm(): void {
    const next = this.queue[1];
    if (next) this.of(next).again();
  }

  /** Claims until enough lies ahead. */
  fill(): Promise<void> {
    this.asking ??= this.claim("").then(
      () => undefined,
      (error: unknown) => this.outbox.failed(error),
    ).finally(() => {
      this.asking = null;
      const isFirst = !this.hasAsked;
      this.hasAsked = true;
      if (isFirst) this.arrived();
    });
    return this.asking;
  }

  /** How many alike were found; they come next. */
  async more(like: string): Promise<number> {
    const alike = await this.claim(like);
    this.queue = [...this.queue.slice(0, 1), ...alike, ...this.queue.slice(1).filter((task) => !alike.includes(task))];
    return alike.length;
  }

  /** Nothing is held any longer: the page is left, or another tab works. */
  leaveAll(): void {
    const hadAny = this.queue.length > 0;
    this.queue = [];
    this.drawn.clear();
    this.leased.clear();
    if (hadAny) void this.desk.hold([]).catch(() => undefined);
  }

  /** Clears the desk without giving anything back: another tab of this person goes on with it. */
  handOver(): void {
    this.queue = [];
    this.drawn.clear();
    this.leased.clear();
  }

  /** Somebody is here. After a long absence others may have got the tasks: what is no longer held leaves the desk. */
  acted(): void {
    const wasAway = this.isIdle;
    this.actedAt = performance.now();
    if (wasAway) void this.renew("");
  }

  /** Those claimed that were not here before. */
  private async claim(like: string): Promise<Task[]> {
    const began = performance.now();
    const count = Math.min(MOST_CLAIMED, Math.max(this.depth, this.queue.length + (like ? this.depth : 0)) + this.outbox.size);
    const claimed = await this.desk.claim(count, like);
    this.claimTime = blend(this.claimTime, (performance.now() - began) / 1000);
    this.outbox.arrived();
    if (this.lease !== claimed.lease_seconds) {
      this.lease = claimed.lease_seconds;
      this.renewSoon();
    }
    this.paused = claimed.paused;
    this.quotaLeft = claimed.quota_left ?? null;
    const here = new Set(this.queue.map((task) => task.id));
    const fresh = claimed.tasks.filter(
      (task) => !here.has(task.id) && !this.done.has(task.id) && !this.outbox.holds(task.id),
    );
    for (const task of claimed.tasks) this.leased.add(task.id);
    this.queue.push(...fresh);
    for (const task of fresh) this.of(task);
    this.arrived();
    return fresh;
  }

  private leave(id: string): void {
    const old = this.drawn.get(id);
    if (old) old.element.dataset["gone"] = "1";
    this.drawn.delete(id);
    this.leased.delete(id);
  }

  /** Whoever does nothing for a quarter of an hour lets the tasks go. */
  private get isIdle(): boolean {
    return performance.now() - this.actedAt > IDLE_SECONDS * 1000;
  }

  private renewSoon(): void {
    clearTimeout(this.timer);
    const renew = (): Promise<void> => (this.isIdle ? Promise.resolve() : this.renew(this.current?.id ?? ""));
    this.timer = setTimeout(() => void renew().finally(() => this.renewSoon()), (this.lease * 1000) / 3);
  }

  /** Where some were lost, a claim tells which are still held: the others leave the desk, except what is looked at. */
  private async renew(seen: string): Promise<void> {
    const ids = this.ids.filter((id) => this.leased.has(id));
    if (ids.length === 0) return;
    try {
      if ((await this.desk.hold(ids)).held >= ids.length) return;
      const claimed = await this.desk.claim(Math.min(MOST_CLAIMED, ids.length + this.outbox.size));
      const held = new Set(claimed.tasks.map((task) => task.id));
      for (const id of ids) if (!held.has(id) && id !== seen) this.remove(id);
      this.arrived();
    } catch {
      return; // the lease is long enough for the next try
    }
  }
}
