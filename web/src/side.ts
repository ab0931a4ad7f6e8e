/** What lies beside the task: the person's own progress and the guideline. Both can be put away, and stay so. */

import { type Desk, type Guideline, type Me, ask } from "./api.ts";
import { at } from "./dialogs.ts";
import type { Shelf } from "./shelf.ts";
import { count, date, extent, share, t } from "./texts.ts";
import { made } from "./views.ts";

const EVERY_MS = 120_000;
const WIDE = "(min-width: 72rem)";
const DAYS = 14;
const DAY_MS = 86_400_000;

/** A part that a button opens and closes, as it was left the last time. */
class Drawer {
  constructor(
    private readonly name: string,
    private readonly shelf: Shelf,
    private readonly opened: () => void,
    isOpen = false,
  ) {
    at(`${name}-toggle`).addEventListener("click", () => this.toggle());
    this.set(shelf.read(`open/${name}`, isOpen));
  }

  get isOpen(): boolean {
    return !at(this.name).hidden;
  }

  toggle(): void {
    this.set(!this.isOpen);
    this.shelf.keep(`open/${this.name}`, this.isOpen);
  }

  private set(isOpen: boolean): void {
    at(this.name).hidden = !isOpen;
    at(`${this.name}-toggle`).setAttribute("aria-expanded", String(isOpen));
    if (isOpen) this.opened();
  }
}

/** The desk counts ahead of the server. */
export interface Counting {
  readonly counted: { readonly today: number; readonly answered: number };
  learned(me: Me): void;
}

export class Progress {

  constructor(
    private me: Me,
    private readonly desk: Desk,
    shelf: Shelf,
    private readonly watcher: Counting,
  ) {
    new Drawer("progress", shelf, () => {
      this.draw();
      void this.refresh();
    });
    setInterval(() => {
      if (!document.hidden) void this.refresh();
    }, EVERY_MS);
  }

  async refresh(): Promise<void> {
    try {
      this.me = await this.desk.me();
    } catch {
      return; // the figures stay as they are
    }
    this.watcher.learned(this.me);
    if (!at("progress").hidden) this.draw();
  }

  private draw(): void {
    const { me } = this;
    const { today, answered } = this.watcher.counted;
    const facts: [string, string][] = [
      [t("answeredToday"), me.quota > 0 ? t("ofQuota", { n: today, all: me.quota }) : count(today)],
      [t("answeredAll"), count(answered)],
      [t("pace"), me.pace_seconds === null ? t("none") : t("seconds", { n: me.pace_seconds })],
      [t("leftLong"), leftOf(me)],
      [t("agreement"), agreementOf(me)],
    ];
    const list = facts.map(([name, value]) => made("div", [made("dt", name), made("dd", value)]));
    const days = made("div", [made("dt", t("days")), made("dd", [weeks(me)])]);
    at("progress").replaceChildren(made("dl", [...list, days]), made("p", t("agreementNote"), "soft"));
  }
}

function leftOf({ left }: Me): string {
  const time = left.seconds === null ? "" : extent(left.seconds);
  return time && left.tasks > 0 ? t("leftTime", { n: left.tasks, time }) : t("leftTasks", { n: left.tasks });
}

function agreementOf({ agreement }: Me): string {
  if (!agreement) return t("agreementNone");
  const { n, low, high } = agreement;
  return t("agreementIs", { share: share(agreement.share), n, low: share(low), high: share(high) });
}

/** The last fortnight, a mark a day: filled where something was answered. A day without is only a day without. */
function weeks(me: Me): HTMLElement {
  const given = new Map(me.days.map((day) => [day.date, day.answers]));
  const newest = Date.parse(me.days.map((day) => day.date).sort().at(-1) ?? "");
  const today = Math.max(Date.parse(new Date().toISOString().slice(0, 10)), newest || 0);
  const all = Array.from({ length: DAYS }, (_, i) => new Date(today - (DAYS - 1 - i) * DAY_MS).toISOString().slice(0, 10));
  const marks = all.map((day) => {
    const mark = made("span", "", given.get(day) ? "day worked" : "day");
    mark.title = `${date(day)}: ${count(given.get(day) ?? 0)}`;
    return mark;
  });
  const row = made("span", marks, "weeks");
  row.setAttribute("aria-hidden", "true");
  return made("span", [row, made("span", t("daysOf", { n: all.filter((day) => given.get(day)).length, all: DAYS }))]);
}

export class Guide {
  private version = 0;
  private readonly drawer: Drawer;

  constructor(shelf: Shelf, private readonly said: (words: string) => void) {
    this.drawer = new Drawer("guide", shelf, () => void this.load(), matchMedia(WIDE).matches);
    if (!this.drawer.isOpen) void this.load();
  }

  toggle(): void {
    if (!at("guide-toggle").hidden) this.drawer.toggle();
  }

  /** A task that was published under a newer version: the guideline is read again, and the change is told. */
  async follow(version: number): Promise<void> {
    if (version <= this.version) return;
    const known = this.version;
    await this.load();
    if (known > 0 && this.version > known) this.said(t("guidelineNew", { n: this.version }));
  }

  /** Where nothing was written, nothing is offered. */
  private async load(): Promise<void> {
    const found = await ask<Guideline>("/api/guideline").catch(() => null);
    if (!found) return;
    const isWritten = Boolean(found.text) || found.examples.length > 0;
    at("guide-toggle").hidden = !isWritten;
    at("guide").classList.toggle("blank", !isWritten);
    this.version = found.version;
    at("guide-version").textContent = found.at ? t("version", { n: found.version, date: date(found.at) }) : "";
    const words = found.text.split(/\n{2,}/).map((part) => made("p", part));
    const examples = found.examples.map((one) =>
      made("li", [made("p", one.text), made("p", [made("strong", one.label), made("span", one.why ? ` – ${one.why}` : "", "soft")])]),
    );
    const list = examples.length > 0 ? [made("h3", t("examples")), made("ol", examples)] : [];
    at("guide-text").replaceChildren(...words, ...list);
  }
}
