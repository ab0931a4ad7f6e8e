/** Keeps the overview current: asks every second, replaces only the parts that changed, says little aloud. */

import "./app.ts";
import { refresh } from "./ages.ts";

const EVERY_MS = 1000;
const SPEAK_EVERY_MS = 10_000;

/** Where the picture does not fit, the table that says the same stands open. */
const NARROW = "(max-width: 46rem)";

const live = document.querySelector<HTMLElement>("#live");
const stale = document.querySelector<HTMLElement>("#stale");
const spoken = document.querySelector<HTMLElement>("#spoken");
const shown = new Map<string, string>();
let tag = "";
let said = "";
let saidAt = 0;

function replace(root: HTMLElement, html: string): void {
  const next = document.createElement("template");
  next.innerHTML = html;
  for (const part of next.content.querySelectorAll<HTMLElement>("[data-part]")) {
    const name = part.dataset["part"] ?? "";
    const content = part.innerHTML;
    const old = root.querySelector<HTMLElement>(`[data-part="${name}"]`);
    if (!old || shown.get(name) === content) continue;
    shown.set(name, content);
    const open = [...old.querySelectorAll("details")].map((details) => details.open);
    const focused = [...old.querySelectorAll<HTMLElement>("a, summary, [tabindex]")].indexOf(
      document.activeElement as HTMLElement,
    );
    old.innerHTML = content;
    old.querySelectorAll("details").forEach((details, i) => {
      details.open = open[i] ?? false;
    });
    if (focused >= 0) old.querySelectorAll<HTMLElement>("a, summary, [tabindex]")[focused]?.focus({ preventScroll: true });
    refresh(old);
  }
}

/** The first sentence without its counts, so that a moving number is not read out each second. */
function speak(root: HTMLElement): void {
  const sentence = root.querySelector("[data-spoken]")?.textContent ?? "";
  const gist = sentence.replace(/[\d,.]+/g, "");
  if (!spoken || gist === said || Date.now() - saidAt < SPEAK_EVERY_MS) return;
  if (said) spoken.textContent = sentence;
  said = gist;
  saidAt = Date.now();
}

/** Whether the server sent what is new, or said that nothing is. */
async function isCurrent(root: HTMLElement): Promise<boolean> {
  const headers: Record<string, string> = tag ? { "if-none-match": tag } : {};
  const answer = await fetch(root.dataset["source"] ?? "", { headers, redirect: "manual" });
  if (answer.ok) {
    replace(root, await answer.text());
    tag = answer.headers.get("etag") ?? "";
  }
  return answer.ok || answer.status === 304;
}

async function ask(root: HTMLElement): Promise<void> {
  if (document.hidden) return;
  const isFresh = await isCurrent(root).catch(() => false); // what is shown stays, and the next second asks again
  if (stale) stale.hidden = isFresh;
  speak(root);
}

if (live) {
  const twin = live.querySelector<HTMLDetailsElement>(".loop details");
  if (twin && matchMedia(NARROW).matches) twin.open = true;
  const again = async (): Promise<void> => {
    await ask(live);
    setTimeout(again, EVERY_MS);
  };
  setTimeout(again, EVERY_MS);
}
