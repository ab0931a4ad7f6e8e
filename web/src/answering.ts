/** The buttons of an answer: one of the labels, any of them, or a place on a scale. They stay from task to task. */

import type { Task } from "./api.ts";
import { type Keys, capsOf } from "./labels.ts";
import { t } from "./texts.ts";
import { made } from "./views.ts";

export class Buttons {
  private built = "";
  private chosen = new Set<string>();
  private isMultiple = false;

  /** `given` is called with the whole answer, `changed` when another label of several is chosen or let go of. */
  constructor(
    private readonly place: HTMLElement,
    private readonly sure: HTMLButtonElement,
    private readonly given: (answer: readonly string[]) => void,
    private readonly changed: (chosen: readonly string[]) => void,
  ) {
    sure.addEventListener("click", () => this.submit());
  }

  /** Those that are chosen, in the order of the labels. */
  get picked(): readonly string[] {
    return this.all().flatMap((button) => (this.chosen.has(labelOf(button)) ? [labelOf(button)] : []));
  }

  show(task: Task, keys: Keys, picked: readonly string[]): void {
    const { kind, labels } = task.question;
    const sort = JSON.stringify([kind, labels, [...keys.labels]]);
    if (sort !== this.built) this.build(task, keys);
    this.built = sort;
    this.chosen = new Set(picked);
    for (const button of this.all()) {
      const isSuggested = task.suggestion?.label === labelOf(button);
      if (button.classList.contains("suggested") !== isSuggested) button.classList.toggle("suggested", isSuggested);
    }
    if (this.isMultiple) this.mark();
  }

  /** What the key of this label does. */
  press(label: string): void {
    if (!this.isMultiple) {
      this.given([label]);
      return;
    }
    if (!this.chosen.delete(label)) this.chosen.add(label);
    this.mark();
    this.changed(this.picked);
  }

  /** Gives what is chosen of several; of one, nothing: its keys give it. */
  submit(): boolean {
    if (this.isMultiple) this.given(this.picked);
    return this.isMultiple;
  }

  private all(): HTMLButtonElement[] {
    return [...this.place.querySelectorAll("button")];
  }

  private build(task: Task, keys: Keys): void {
    const { kind, labels } = task.question;
    const held = this.place.contains(document.activeElement);
    this.isMultiple = kind === "multiple";
    this.place.className = `labels ${kind}${labels.length > MANY && kind !== "rating" ? " many" : ""}`;
    this.place.replaceChildren(...labels.map((label) => this.button(label, keys)));
    if (kind === "rating") {
      const [first, last] = [this.place.firstElementChild, this.place.lastElementChild];
      first?.append(made("span", t("lowest"), "end"));
      last?.append(made("span", t("highest"), "end"));
    }
    this.sure.hidden = !this.isMultiple;
    if (held) this.all()[0]?.focus();
  }

  private button(label: string, keys: Keys): HTMLButtonElement {
    const caps = capsOf(keys, label);
    const button = made("button", [...caps.map(cap), made("span", label, "name")]);
    button.type = "button";
    button.dataset["label"] = label;
    if (caps.length > 0) button.setAttribute("aria-keyshortcuts", caps.join(" "));
    button.addEventListener("click", () => this.press(label));
    return button;
  }

  private mark(): void {
    for (const button of this.all()) button.setAttribute("aria-pressed", String(this.chosen.has(labelOf(button))));
    const words = this.sure.querySelector("span");
    if (words) words.textContent = t(this.chosen.size > 0 ? "submit" : "submitNone");
  }
}

export function cap(key: string): HTMLElement {
  const shown = made("kbd", key);
  shown.setAttribute("aria-hidden", "true");
  return shown;
}

const MANY = 8;
const labelOf = (button: HTMLElement): string => button.dataset["label"] ?? "";
