/** The bench: one sample in doubt at a time, what people said without their names, and a finding by keyboard. */

import "./app.ts";
import { type Task, Refused, ask, isFinal } from "./api.ts";
import { isShortcut, restGoing } from "./keys.ts";
import { type Keys, capsOf, keyOf, keysOf } from "./labels.ts";
import { learn } from "./texts.ts";
import { type Drawn, draw, heard, made } from "./views.ts";

const AHEAD = 3;
const LOOK_AGAIN_MS = 5000;
const TROUBLE_MS = 8000;
const MOST_REASONS = 12;
const WISHES = { ambiguous: "amb", gap: "gpq", gold: "ohk", reason: "rwy", back: "uzx" } as const;
type Act = keyof typeof WISHES;

/** Who adjudicates where nobody signed in by name: the name under which this browser labels, so that it is never asked
    about its own answers. */
const AS = "loopline.annotator";

interface Said {
  readonly label: string;
  readonly comment: string;
  readonly is_flagged: boolean;
}

interface Doubtful {
  readonly task: Task;
  readonly doubt: string;
  readonly answers: readonly Said[];
  /** Stands for these answers: others that came meanwhile are shown before anything is decided. */
  readonly seen: string;
}

interface Queue {
  readonly tasks: readonly Doubtful[];
  readonly left: number;
  readonly decided: number;
}

interface Finding {
  readonly task: string;
  readonly finding: "label" | "ambiguous" | "guideline gap";
  readonly label?: string;
  readonly labels?: readonly string[];
  readonly reason: string;
  readonly is_gold: boolean;
  readonly seen: string;
}

function at<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no #${id} on this page`);
  return found as T;
}

function cap(key: string): HTMLElement {
  const shown = made("kbd", key);
  shown.setAttribute("aria-hidden", "true");
  return shown;
}

function complain(sentence: string): void {
  const trouble = at("trouble");
  trouble.textContent = sentence;
  trouble.hidden = false;
  setTimeout(() => {
    trouble.hidden = true;
  }, TROUBLE_MS);
}

/** An answer in words: several labels are kept as a JSON list. */
function spelled(label: string): string {
  if (!label.startsWith("[")) return label;
  try {
    const many = JSON.parse(label) as unknown;
    return Array.isArray(many) ? many.join(", ") || "none of them" : label;
  } catch {
    return label;
  }
}

class Bench {
  private queue: Doubtful[] = [];
  private readonly done = new Set<string>();
  private readonly drawn = new Map<string, Drawn>();
  private readonly decided: { readonly one: Doubtful; readonly finding: Finding }[] = [];
  private keys: Keys = keysOf([]);
  private acts = new Map<string, Act>();
  private shown = "";
  private left = 0;
  private total = 0;
  private isAsking = false;
  private isTakingBack = false;
  private underway = 0;
  private sending: Promise<unknown> = Promise.resolve();
  /** Decisions and withdrawals so far: the server's counts hold only where none came between. */
  private begun = 0;
  private readonly name = at("bench").dataset["signedIn"] || (localStorage.getItem(AS) ?? "");

  constructor() {
    at("finding").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.decide();
    });
    at("back").addEventListener("click", () => void this.takeBack());
    at("back-rest").addEventListener("click", () => void this.takeBack());
    at("reason").addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.focusChosen();
    });
    document.addEventListener("keydown", (event) => this.press(event));
    void this.fetch();
    setInterval(() => {
      if (this.queue.length === 0 && !document.hidden) void this.fetch();
    }, LOOK_AGAIN_MS);
  }

  private async fetch(): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    const before = this.begun;
    try {
      const got = await ask<Queue>(`/api/adjudicate?count=${AHEAD}&adjudicator=${encodeURIComponent(this.name)}`);
      const held = new Set(this.queue.map((one) => one.task.id));
      const fresh = got.tasks.filter(({ task }) => !held.has(task.id) && !this.done.has(task.id));
      for (const { task } of fresh) this.drawn.set(task.id, draw(task.view)); // decoded before its turn comes
      this.queue.push(...fresh);
      if (this.underway === 0 && before === this.begun) [this.left, this.total] = [got.left, got.decided];
      this.draw();
    } catch (error) {
      complain(error instanceof Refused ? error.message : "The server cannot be reached; it is asked again.");
      if (this.shown === "") this.draw();
    } finally {
      this.isAsking = false;
    }
  }

  private press(event: KeyboardEvent): void {
    const target = event.target;
    const isChoosing = target instanceof HTMLInputElement && target.type !== "text" && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (!isChoosing && !isShortcut(event)) return;
    const key = keyOf(event, this.keys);
    const label = this.keys.labels.get(key);
    const act = this.acts.get(key);
    if (label !== undefined && this.queue.length > 0) this.choose(label);
    else if (act === "back") void this.takeBack();
    else if (act && this.queue.length > 0) this.act(act);
    else return;
    event.preventDefault();
  }

  private act(act: Act): void {
    const gold = at<HTMLInputElement>("gold");
    if (act === "gold") gold.checked = !gold.disabled && !gold.checked;
    else if (act === "reason") at("reason").focus();
    else this.pick(act === "gap" ? "guideline gap" : "ambiguous");
  }

  /** One label of one: it is the finding, and the reason comes next. One of several: it is marked or unmarked. */
  private choose(label: string): void {
    const box = [...document.querySelectorAll<HTMLInputElement>("#choices [name=label]")].find((one) => one.value === label);
    if (box) {
      box.checked = !box.checked;
      this.pick("label", false);
    } else this.pick(`label:${label}`);
  }

  private pick(value: string, isDone = true): void {
    const option = [...document.querySelectorAll<HTMLInputElement>("#choices [name=finding]")].find((one) => one.value === value);
    if (!option) return;
    option.checked = true;
    this.follow();
    if (isDone) at("reason").focus();
  }

  private chosen(): HTMLInputElement | null {
    return document.querySelector<HTMLInputElement>("#choices [name=finding]:checked");
  }

  private focusChosen(): void {
    (this.chosen() ?? document.querySelector<HTMLInputElement>("#choices input"))?.focus();
  }

  /** Only a label can become gold. */
  private follow(): void {
    const gold = at<HTMLInputElement>("gold");
    gold.disabled = !this.chosen()?.value.startsWith("label");
    if (gold.disabled) gold.checked = false;
  }

  private async decide(): Promise<void> {
    const one = this.queue[0];
    const chosen = this.chosen();
    if (!one || !chosen) {
      complain("Choose a finding first.");
      this.focusChosen();
      return;
    }
    const finding = this.finding(one, chosen.value);
    this.queue.shift();
    this.done.add(one.task.id);
    this.decided.push({ one, finding });
    this.left = Math.max(0, this.left - 1);
    this.total += 1;
    this.remember(finding.reason);
    this.draw();
    at("row").focus();
    if (this.queue.length < AHEAD - 1) void this.fetch();
    this.underway += 1;
    this.begun += 1;
    const sending = ask("/api/adjudicate", { ...finding, adjudicator: this.name });
    this.sending = sending.catch(() => undefined);
    try {
      await sending;
    } catch (error) {
      this.forget(one, finding);
      complain(error instanceof Refused ? error.message : "The decision did not reach the server; decide again.");
      if (isFinal(error)) this.queue.splice(0); // what was shown no longer holds: everything is asked for anew
      else this.queue.unshift(one);
      this.draw();
    } finally {
      this.underway -= 1;
      if (this.queue.length === 0) void this.fetch();
    }
  }

  private finding(one: Doubtful, value: string): Finding {
    const also = { task: one.task.id, reason: at<HTMLInputElement>("reason").value.trim(), seen: one.seen };
    const is_gold = at<HTMLInputElement>("gold").checked;
    if (value === "ambiguous" || value === "guideline gap") return { ...also, finding: value, is_gold: false };
    if (value.startsWith("label:")) return { ...also, finding: "label", label: value.slice("label:".length), is_gold };
    const boxes = document.querySelectorAll<HTMLInputElement>("#choices [name=label]:checked");
    return { ...also, finding: "label", labels: [...boxes].map((box) => box.value), is_gold };
  }

  private forget(one: Doubtful, finding: Finding): void {
    this.done.delete(one.task.id);
    const place = this.decided.findIndex((kept) => kept.finding === finding);
    if (place >= 0) this.decided.splice(place, 1);
    this.left += 1;
    this.total = Math.max(0, this.total - 1);
  }

  private async takeBack(): Promise<void> {
    const last = this.decided.at(-1);
    if (!last || this.isTakingBack) return;
    this.isTakingBack = true;
    this.begun += 1;
    await this.sending;
    if (this.decided.at(-1) !== last) {
      this.isTakingBack = false;
      return; // it was refused meanwhile, and is shown again already
    }
    try {
      await ask("/api/adjudicate/withdraw", { task: last.one.task.id, reason: "taken back at once", adjudicator: this.name });
      this.forget(last.one, last.finding);
      this.queue.unshift(last.one);
      this.shown = "";
      this.draw();
      at("spoken").textContent = "Decision taken back.";
    } catch (error) {
      complain(error instanceof Refused ? error.message : "The server cannot be reached; the decision stands for now.");
    } finally {
      this.isTakingBack = false;
    }
  }

  private remember(reason: string): void {
    const known = [...document.querySelectorAll<HTMLOptionElement>("#reasons option")].filter((one) => one.value !== reason);
    const fresh = document.createElement("option");
    fresh.value = reason;
    at("reasons").replaceChildren(fresh, ...known.slice(0, MOST_REASONS - 1));
  }

  private draw(): void {
    const one = this.queue[0];
    restGoing(Boolean(one));
    at("bench").hidden = !one;
    at("rest").hidden = Boolean(one);
    const last = this.decided.at(-1);
    at<HTMLButtonElement>("back").disabled = !last;
    at("back-rest").hidden = !last;
    at("back-what").textContent = last ? spelled(last.finding.label ?? last.finding.labels?.join(", ") ?? last.finding.finding) : "";
    at("tally").textContent = `${this.left} in doubt, ${this.total} decided`;
    if (!one) {
      this.shown = "";
      return;
    }
    if (this.shown === one.task.id) return;
    this.shown = one.task.id;
    const { element } = this.drawn.get(one.task.id) ?? draw(one.task.view);
    at("row").replaceChildren(element);
    this.list(one);
    this.offer(one.task);
    at<HTMLInputElement>("reason").value = "";
    at<HTMLInputElement>("gold").checked = false;
    this.follow();
    at("spoken").textContent = `Next sample. ${heard(one.task.view)}`;
  }

  private list(one: Doubtful): void {
    at("doubt").textContent = one.doubt;
    const answers = one.answers.map((said) => {
      const line = made("li");
      line.append(made("strong", spelled(said.label)));
      if (said.is_flagged) line.append(" ", made("span", "flagged", "mark alert"));
      if (said.comment) line.append(made("p", said.comment, "written"));
      return line;
    });
    at("answers").replaceChildren(...answers);
  }

  private offer(task: Task): void {
    const { labels, kind, text } = task.question;
    this.keys = keysOf(labels);
    this.acts = new Map();
    for (const [act, wish] of Object.entries(WISHES) as [Act, string][]) {
      const key = [...wish].find((one) => !this.keys.labels.has(one) && !this.acts.has(one));
      if (key) this.acts.set(key, act);
      for (const place of document.querySelectorAll<HTMLElement>(`[data-key=${act}]`)) {
        place.textContent = (key ?? "").toUpperCase();
        place.hidden = !key;
      }
    }
    const legend = at("question");
    legend.textContent = text || "Your finding";
    const several = kind === "multiple";
    const boxes = made("div", "", "boxes");
    boxes.append(...labels.map((label) => this.option("checkbox", "label", label, label, capsOf(this.keys, label))));
    const options = several
      ? [this.option("radio", "finding", "label", "These labels, or none of them:", []), boxes]
      : labels.map((label) => this.option("radio", "finding", `label:${label}`, label, capsOf(this.keys, label)));
    at("choices").replaceChildren(
      legend,
      ...options,
      this.option("radio", "finding", "ambiguous", "It is ambiguous: several are right", this.capsOfAct("ambiguous")),
      this.option("radio", "finding", "guideline gap", "The guideline does not say", this.capsOfAct("gap")),
    );
    at("choices").onchange = (event) => {
      if (event.target instanceof HTMLInputElement && event.target.name === "label") this.pick("label", false);
      this.follow();
    };
  }

  private capsOfAct(act: Act): readonly string[] {
    return [...this.acts].filter(([, name]) => name === act).map(([key]) => key.toUpperCase());
  }

  private option(type: "radio" | "checkbox", name: string, value: string, text: string, caps: readonly string[]): HTMLElement {
    const line = made("label", "", "finding");
    const input = document.createElement("input");
    Object.assign(input, { type, name, value });
    if (caps.length > 0) input.setAttribute("aria-keyshortcuts", caps.join(" "));
    line.append(input, ...caps.map(cap), made("span", text));
    return line;
  }
}

await learn("en");
new Bench();
