/** What the desk says of itself: how much was answered, how the way to the server is, and what went wrong. */

import { at } from "./dialogs.ts";
import type { Me } from "./api.ts";
import type { Outbox, Way } from "./outbox.ts";
import { extent, t } from "./texts.ts";
import { made } from "./views.ts";

const WORDS = { open: "", away: "away", "signed out": "signedOut", full: "full" } as const;

/** In words, how the way to the server is; nothing while it is open. */
export function wayOf(way: Way): string {
  const word = WORDS[way];
  return word && t(word);
}

export function tally(outbox: Outbox, me: Me, counted: { readonly today: number; readonly answered: number }): void {
  const { answers, way } = outbox;
  const parts = [t("answered", { n: Math.max(counted.answered, answers) })];
  if (me.quota > 0) parts.push(t("ofQuota", { n: counted.today, all: me.quota }));
  if (me.left.seconds) parts.push(t("left", { time: extent(me.left.seconds) }));
  if (answers > 1 || (answers > 0 && way !== "open")) parts.push(t("waiting", { n: answers }));
  const words = parts.join(" · ");
  if (at("tally").textContent !== words) at("tally").textContent = words;
  note(way);
}

export function tell(words: string, kind: "status" | "alert" = "status"): void {
  if (at("trouble").hidden || at("trouble-text").textContent !== words) at("trouble-text").textContent = words;
  at("trouble").className = kind === "alert" ? "trouble" : "trouble calm";
  at("trouble").hidden = false;
}

function note(way: Way): void {
  const place = at("note");
  if ((place.dataset["way"] ?? "open") === way) return;
  place.dataset["way"] = way;
  place.textContent = wayOf(way);
  place.hidden = way === "open";
  if (way !== "signed out") return;
  const link = made("a", t("signIn"));
  link.href = `/sign-in?next=${encodeURIComponent("/annotate")}`;
  place.append(" ", link);
}
