/** The dialog in which a person chooses their own keys. What it works with is handed in, since it comes late. */

import type { Chosen, Command, Keys } from "./labels.ts";

type Labels = typeof import("./labels.ts");

export interface Kit extends Pick<Labels, "COMMANDS" | "actOf" | "capsOf" | "labelAct"> {
  readonly at: typeof import("./dialogs.ts").at;
  readonly cap: typeof import("./answering.ts").cap;
  readonly made: typeof import("./views.ts").made;
  readonly t: typeof import("./texts.ts").t;
}

/** What the keys are for, and where a choice goes. */
export interface Bench {
  keys(): Keys;
  labels(): readonly string[];
  chosen(): Chosen;
  choose(chosen: Chosen): void;
}

const RESERVED = ["?", "/", " "];

/** A person's own keys: kept in this browser for this loop; a key that gives something already is refused in words. */
export class KeyDialog {
  private readonly dialog: HTMLDialogElement;
  private waiting = "";

  constructor(
    private readonly kit: Kit,
    private readonly bench: Bench,
  ) {
    const { at, t } = kit;
    this.dialog = at<HTMLDialogElement>("remap");
    at("remap-reset").addEventListener("click", () => this.take({}, t("remapReset")));
    at("remap-done").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("keydown", (event) => this.press(event));
    this.dialog.addEventListener("cancel", (event) => {
      if (!this.waiting) return;
      event.preventDefault();
      this.wait("");
    });
  }

  open(): void {
    const { at } = this.kit;
    this.waiting = "";
    at("remap-said").textContent = "";
    this.list();
    this.dialog.showModal();
    at("remap-title").focus();
  }

  private list(): void {
    const { COMMANDS, at, labelAct } = this.kit;
    const acts = [...this.bench.labels().map(labelAct), ...COMMANDS];
    at("remap-list").replaceChildren(...acts.map((act) => this.row(act)));
  }

  private row(act: string): HTMLElement {
    const { cap, made, t } = this.kit;
    const name = this.nameOf(act);
    const button = made("button", this.capsOf(act).map(cap));
    button.type = "button";
    button.dataset["act"] = act;
    if (this.capsOf(act).length === 0) button.textContent = t("noKey");
    if (act === this.waiting) button.textContent = t("remapPress");
    button.setAttribute("aria-label", `${name}: ${button.textContent}`);
    button.setAttribute("aria-pressed", String(act === this.waiting));
    button.addEventListener("click", () => this.wait(act));
    return made("div", [made("dt", name), made("dd", [button])]);
  }

  private capsOf(act: string): readonly string[] {
    const keys = this.bench.keys();
    if (act.startsWith("label:")) return this.kit.capsOf(keys, act.slice("label:".length));
    const key = keys.commands[act as Command];
    return key ? [key.toUpperCase()] : [];
  }

  private wait(act: string): void {
    const focused = act || this.waiting;
    this.waiting = act;
    this.list();
    this.dialog.querySelector<HTMLElement>(`[data-act="${CSS.escape(focused)}"]`)?.focus();
  }

  private press(event: KeyboardEvent): void {
    if (!this.waiting || ["Tab", "Escape", "Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
    event.preventDefault();
    const key = event.key.toLowerCase();
    const cap = event.key === " " ? "Space" : key.toUpperCase();
    const { actOf, t } = this.kit;
    const [act, taken] = [this.waiting, actOf(this.bench.keys(), key)];
    if ([...key].length !== 1 || RESERVED.includes(key)) this.say(t("remapBad", { key: cap }));
    else if (taken && taken !== act) this.say(t("remapTaken", { key: cap, act: this.nameOf(taken) }));
    else this.take({ ...this.bench.chosen(), [act]: key }, t("remapKept", { key: cap, act: this.nameOf(act) }));
  }

  private take(chosen: Chosen, said: string): void {
    this.bench.choose(chosen);
    this.wait("");
    this.say(said);
  }

  private say(words: string): void {
    this.kit.at("remap-said").textContent = words;
  }

  private nameOf(act: string): string {
    return act.startsWith("label:") ? act.slice("label:".length) : this.kit.t(act as Command);
  }
}
