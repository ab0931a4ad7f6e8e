/** The words of the labelling page, in the language of the person or of the browser. */

import type { Texts } from "./texts/en.ts";

/** By its tag: its own name, and how its catalogue is fetched. */
export const LANGUAGES: Readonly<Record<string, readonly [name: string, fetched: () => Promise<Texts>]>> = {
  en: ["English", async () => (await import("./texts/en.ts")).en],
  zh: ["中文", async () => (await import("./texts/zh.ts")).zh],
};
const KEPT = "loopline.language";
const FROM_THE_RIGHT = /^(ar|dv|fa|he|ps|ur|yi)\b/;

type Word = Exclude<keyof Texts, "pages">;

let language = "en";
let words: Texts | undefined;

export const spoken = (): string => language;

/** The sentence of this name, with its blanks filled in. */
export function t(name: Word, blanks: Readonly<Record<string, string | number>> = {}): string {
  return (words?.[name] ?? name).replace(/\{(\w+)\}/g, (whole, blank: string) => {
    const value = blanks[blank];
    return value === undefined ? whole : typeof value === "number" ? count(value) : value;
  });
}

export function count(value: number): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(value);
}

export function share(value: number): string {
  return new Intl.NumberFormat(language, { style: "percent" }).format(value);
}

export function date(moment: string, style: Intl.DateTimeFormatOptions = { dateStyle: "medium" }): string {
  const at = new Date(moment);
  return Number.isNaN(at.getTime()) ? moment : new Intl.DateTimeFormat(language, style).format(at);
}

/** About how long: whole minutes below two hours, then hours. */
export function extent(seconds: number): string {
  const minutes = Math.max(1, Math.round(seconds / 60));
  return minutes < 120 ? t("minutes", { n: minutes }) : t("hours", { n: Math.round(minutes / 6) / 10 });
}

/** The first of these languages that there is a catalogue for; what was chosen here comes before all of them. */
export async function choose(wished: readonly string[]): Promise<void> {
  const all = [localStorage.getItem(KEPT) ?? "", ...wished].map((tag) => tag.toLowerCase().split("-")[0] ?? "");
  await learn(all.find((tag) => Object.hasOwn(LANGUAGES, tag)) ?? "en");
}

/** Fetches the words of this language, and speaks it from then on. */
export async function learn(tag: string): Promise<void> {
  if (words && tag === language) return;
  words = await LANGUAGES[tag]?.[1]();
  language = tag;
}

export function keep(chosen: string): void {
  localStorage.setItem(KEPT, chosen);
}

/** Writes the words into everything under `root` that asks for some: `data-text`, and `data-said` for what is only heard. */
export function fill(root: ParentNode): void {
  for (const element of root.querySelectorAll<HTMLElement>("[data-text]")) {
    element.textContent = t(element.dataset["text"] as Word);
  }
  for (const element of root.querySelectorAll<HTMLElement>("[data-said]")) {
    element.setAttribute("aria-label", t(element.dataset["said"] as Word));
  }
}

/** The whole page in this language: also the bar above and below it, as far as the catalogue knows it. */
export function dress(): void {
  const root = document.documentElement;
  root.lang = language;
  root.dir = FROM_THE_RIGHT.test(language) ? "rtl" : "ltr";
  document.title = `${t("title")} · Loopline`;
  fill(document);
  for (const link of document.querySelectorAll("header a[href], header search, .skip, footer form[action]")) {
    const name = words?.pages[link.getAttribute("href") ?? link.getAttribute("action") ?? ""];
    const place = link.querySelector("button, span") ?? link;
    if (name && !link.matches(".brand")) place.textContent = name;
    else if (language !== "en") link.setAttribute("lang", "en");
  }
}
