/** The desk: one task at a time, one key a label, the next tasks already here. */

import "./app.ts";
import { type Task, Refused, claim, isFinal, skip, undo } from "./api.ts";
import { isShortcut, restGoing } from "./keys.ts";
import { type Keys, capsOf, keysOf } from "./labels.ts";
import { Outbox } from "./outbox.ts";
import { show } from "./rows.ts";

const NAME = "loopline.annotator";
const AHEAD = 6;
const LOW = 3;
const LOOK_AGAIN_MS = 3000;
const TROUBLE_MS = 8000;

interface Given {
  readonly id: string;
  readonly label: string;
  readonly task: Task;
}

function at<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no #${id} on this page`);
  return found as T;
}

function capOf(key: string): HTMLElement {
  const cap = document.createElement("kbd");
  cap.textContent = key;
  cap.setAttribute("aria-hidden", "true");
  return cap;
}

function complain(sentence: string): void {
  const trouble = at("trouble");
  trouble.textContent = sentence;
  trouble.hidden = false;
  setTimeout(() => {
    trouble.hidden = true;
  }, TROUBLE_MS);
}

class Desk {
  private queue: Task[] = [];
  private readonly done = new Set<string>();
  private readonly given: Given[] = [];
  private keys: Keys = keysOf([]);
  private shownAt = 0;
  private answered: number | null = null;
  private shown = "";
  private isAsking = false;
  private isUndoing = false;
  private readonly outbox: Outbox;

  constructor(private readonly annotator: string) {
    this.outbox = new Outbox(annotator, () => this.tally(), complain);
    at("me").textContent = annotator;
    at("desk").hidden = false;
    at("undo").addEventListener("click", () => void this.undo());
    at("undo-rest").addEventListener("click", () => void this.undo());
    at("pass").addEventListener("click", () => void this.pass());
    document.addEventListener("keydown", (event) => this.press(event));
    void this.outbox.flush().then(() => this.fetch());
    setInterval(() => {
      if (this.queue.length === 0 && !document.hidden) void this.fetch();
    }, LOOK_AGAIN_MS);
  }

  private press(event: KeyboardEvent): void {
    if (!isShortcut(event)) return;
    const key = event.key.toLowerCase();
    const label = this.keys.labels.get(key);
    if (label && this.queue.length > 0) this.answer(label);
    else if (key === this.keys.undo) void this.undo();
    else if (key === this.keys.skip && this.queue.length > 0) void this.pass();
    else return;
    event.preventDefault();
  }

  private async fetch(): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    try {
      await this.outbox.flush();
      const got = await claim(this.annotator, this.queue.length + AHEAD);
      this.answered ??= got.answered; // from here on counted on this side, ahead of the server
      const held = new Set(this.queue.map((task) => task.id));
      const fresh = got.tasks.filter(
        (task) => !held.has(task.id) && !this.done.has(task.id) && !this.outbox.holds(task.id),
      );
      this.queue.push(...fresh);
      this.draw(got.paused);
    } catch (error) {
      if (error instanceof Refused) complain(error.message);
      else this.draw("");
    } finally {
      this.isAsking = false;
    }
  }

  private answer(label: string): void {
    const task = this.queue.shift();
    if (!task) return;
    const seconds = Math.max(0, (performance.now() - this.shownAt) / 1000);
    const id = crypto.randomUUID();
    this.done.add(task.id);
    this.given.push({ id, label, task });
    this.outbox.add({ id, task: task.id, label, seconds: Math.round(seconds * 1000) / 1000 });
    this.answered = (this.answered ?? 0) + 1;
    this.next(`${label}. `);
  }

  private async pass(): Promise<void> {
    const task = this.queue.shift();
    if (!task) return;
    this.done.add(task.id);
    const reason = at<HTMLSelectElement>("reason").value;
    this.next("Skipped. ");
    try {
      await skip(this.annotator, task.id, reason);
    } catch (error) {
      complain(error instanceof Refused ? error.message : "The skip did not reach the server; the task may come again.");
      this.done.delete(task.id);
    }
  }

  private async undo(): Promise<void> {
    const last = this.given.at(-1);
    if (!last || this.isUndoing) return;
    this.isUndoing = true;
    try {
      if (!this.outbox.recall(last.id)) {
        await this.outbox.flush();
        await undo(this.annotator, last.id);
      }
      this.forget(last);
      this.done.delete(last.task.id);
      this.answered = Math.max(0, (this.answered ?? 0) - 1);
      this.queue.unshift(last.task);
      this.draw("");
      this.say("Answer taken back. ");
    } catch (error) {
      if (isFinal(error)) this.forget(last);
      complain(error instanceof Refused ? error.message : "The server cannot be reached; the answer stands for now.");
    } finally {
      this.isUndoing = false;
    }
  }

  /** It can no longer be undone. Others may have been given while the server was asked, so it need not be the last. */
  private forget(answer: Given): void {
    this.given.splice(this.given.indexOf(answer), 1);
  }

  private next(said: string): void {
    this.draw("");
    this.say(said);
    if (this.queue.length < LOW) void this.fetch();
  }

  private say(said: string): void {
    const task = this.queue[0];
    at("spoken").textContent = said + (task ? (typeof task.row === "string" ? task.row : "Next task.") : "");
  }

  private draw(paused: string): void {
    const task = this.queue[0];
    restGoing(Boolean(task));
    at("task").hidden = !task;
    at("rest").hidden = Boolean(task);
    at<HTMLButtonElement>("undo").disabled = this.given.length === 0;
    at("undo-rest").hidden = this.given.length === 0;
    at("undo-what").textContent = this.given.at(-1)?.label ?? "";
    this.tally();
    if (!task) {
      this.shown = "";
      at("rest-title").textContent = paused ? "You are paused" : "Nothing to label now";
      at("rest-text").textContent = paused
        ? `${paused}. Ask the person who runs this loop.`
        : "New tasks appear here by themselves when the loop next asks. The overview says when, and why.";
      return;
    }
    if (this.shown === task.id) return;
    this.shown = task.id;
    this.keys = keysOf(task.labels);
    this.list(task.labels);
    show(task.row, at("row"));
    this.buttons(task);
    const hint = at("hint");
    hint.hidden = !task.suggestion;
    hint.textContent = task.suggestion ? `${task.suggestion.model} suggests ${task.suggestion.label}` : "";
    this.shownAt = performance.now();
  }

  private buttons(task: Task): void {
    const focused = document.activeElement?.closest("#labels") !== null && document.activeElement !== document.body;
    const made = task.labels.map((label) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset["label"] = label;
      const caps = capsOf(this.keys, label);
      if (caps.length > 0) button.setAttribute("aria-keyshortcuts", caps.join(" "));
      button.append(...caps.map(capOf), label);
      if (task.suggestion?.label === label) button.className = "suggested";
      button.addEventListener("click", () => this.answer(label));
      return button;
    });
    at("labels").replaceChildren(...made);
    if (focused) made[0]?.focus();
  }

  /** Writes the keys that work now on the sheet and on the buttons beside the labels. */
  private list(labels: readonly string[]): void {
    for (const [name, key] of [["skip", this.keys.skip], ["undo", this.keys.undo]] as const) {
      for (const cap of document.querySelectorAll<HTMLElement>(`[data-key=${name}]`)) {
        cap.textContent = key.toUpperCase();
        cap.hidden = !key;
      }
    }
    const rows = labels.map((label) => {
      const row = document.createElement("div");
      const term = document.createElement("dt");
      const meaning = document.createElement("dd");
      const caps = capsOf(this.keys, label).flatMap((key) => [capOf(key), " "]);
      term.append(...(caps.length > 0 ? caps : ["no key"]));
      meaning.textContent = label;
      row.dataset["label"] = label;
      row.append(term, meaning);
      return row;
    });
    const old = document.querySelectorAll<HTMLElement>("#keys [data-label]");
    old[0]?.before(...rows);
    for (const row of old) row.remove();
  }

  private tally(): void {
    const waiting = this.outbox.size;
    const answered = `${Math.max(this.answered ?? 0, waiting)} answered`;
    at("tally").textContent = waiting > 1 ? `${answered}, ${waiting} of them waiting` : answered;
  }
}

function begin(): void {
  const name = localStorage.getItem(NAME);
  if (name) {
    new Desk(name);
    return;
  }
  at("who").hidden = false;
  at<HTMLInputElement>("who-name").focus();
  at("who-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = at<HTMLInputElement>("who-name").value.trim();
    if (!given) return;
    localStorage.setItem(NAME, given);
    at("who").hidden = true;
    new Desk(given);
  });
}

at("rename").addEventListener("click", () => {
  localStorage.removeItem(NAME);
  location.reload();
});
begin();
