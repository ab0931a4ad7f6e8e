/** The dialog that asks why a task is skipped. */

import { cap } from "./answering.ts";
import { t } from "./texts.ts";
import { made } from "./views.ts";

const REASONS = [
  ["unclear", "unclear"],
  ["several labels fit", "several"],
  ["no label fits", "noLabel"],
  ["not readable", "unreadable"],
  ["other", "other"],
] as const;

export function at<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no #${id} on this page`);
  return found as T;
}

/** Asks for the reason: a digit gives it at once, Enter gives the one that is chosen, Esc leads back. */
export class SkipDialog {
  private readonly dialog = at<HTMLDialogElement>("skipping");
  private readonly comment = at<HTMLTextAreaElement>("skip-comment");

  constructor(private readonly given: (reason: string, comment: string) => void) {
    at("reasons").append(...REASONS.map(([reason, word], i) => this.choice(reason, t(word), i)));
    at("skip-cancel").addEventListener("click", () => this.dialog.close());
    at("skip-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.give();
    });
    this.dialog.addEventListener("keydown", (event) => {
      const chosen = event.target === this.comment ? undefined : this.radios()[Number(event.key) - 1];
      if (event.key === "Enter" && (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.give();
      } else if (chosen && !event.isComposing && !event.ctrlKey && !event.altKey && !event.metaKey) {
        event.preventDefault();
        chosen.checked = true;
        this.give();
      }
    });
  }

  /** What was typed as a comment on the task goes with it. */
  open(comment: string): void {
    this.comment.value = comment;
    this.dialog.showModal();
    const first = this.radios()[0];
    if (first) first.checked = true;
    first?.focus();
  }

  private give(): void {
    const reason = this.radios().find((radio) => radio.checked)?.value ?? "";
    this.dialog.close();
    this.given(reason, this.comment.value.trim());
  }

  private radios(): HTMLInputElement[] {
    return [...this.dialog.querySelectorAll("input")];
  }

  private choice(reason: string, words: string, i: number): HTMLElement {
    const radio = made("input");
    radio.type = "radio";
    radio.name = "reason";
    radio.value = reason;
    return made("label", [radio, cap(String(i + 1)), made("span", words)], "check");
  }
}
