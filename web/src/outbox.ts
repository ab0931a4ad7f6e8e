/** Answers on their way: kept in the browser until the server has acknowledged them, sent in order, never twice. */

import { type Answer, Refused, isFinal, submit } from "./api.ts";

const AGAIN_MS = 1500;
const MOST = 100;

export class Outbox {
  private waiting: Answer[];
  private flight: Promise<void> | null = null;
  private readonly key: string;

  /** `changed` is called when the number of waiting answers moves, `refused` with the server's sentence. */
  constructor(
    private readonly annotator: string,
    private readonly changed: (waiting: number) => void,
    private readonly refused: (sentence: string) => void,
  ) {
    this.key = `loopline.outbox.${annotator}`;
    this.waiting = read(this.key);
  }

  get size(): number {
    return this.waiting.length;
  }

  holds(task: string): boolean {
    return this.waiting.some((answer) => answer.task === task);
  }

  add(answer: Answer): void {
    this.waiting.push(answer);
    this.keep();
    void this.flush();
  }

  /** Take an answer back that has not left yet; false when it is on its way or has arrived. */
  recall(id: string): boolean {
    if (this.flight || !this.waiting.some((answer) => answer.id === id)) return false;
    this.waiting = this.waiting.filter((answer) => answer.id !== id);
    this.keep();
    return true;
  }

  /** Send what waits; resolves when nothing waits or the server cannot be reached. */
  flush(): Promise<void> {
    this.flight ??= this.drain().finally(() => {
      this.flight = null;
    });
    return this.flight;
  }

  private async drain(): Promise<void> {
    try {
      while (this.waiting.length > 0) await this.send(this.waiting.slice(0, MOST));
    } catch (error) {
      if (error instanceof Refused) this.refused(error.message);
      setTimeout(() => void this.flush(), AGAIN_MS);
    }
  }

  /** A batch that is refused is sent answer by answer, so that a bad one does not hold the good ones back. */
  private async send(batch: readonly Answer[]): Promise<void> {
    try {
      await submit(this.annotator, batch);
    } catch (error) {
      if (!isFinal(error)) throw error;
      if (batch.length > 1) {
        for (const answer of batch) await this.send([answer]);
        return;
      }
      this.refused(error.message);
    }
    this.drop(batch);
  }

  private drop(sent: readonly Answer[]): void {
    const gone = new Set(sent.map((answer) => answer.id));
    this.waiting = this.waiting.filter((answer) => !gone.has(answer.id));
    this.keep();
  }

  private keep(): void {
    localStorage.setItem(this.key, JSON.stringify(this.waiting));
    this.changed(this.waiting.length);
  }
}

function read(key: string): Answer[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(kept) ? (kept as Answer[]) : [];
  } catch {
    return [];
  }
}
