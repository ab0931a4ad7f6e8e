/**
 * Draws a sample ahead of time: `draw` gives an element and says when it can be painted at once. Built in are text,
 * image, table and JSON; an installed view names the module that draws it: `draw(shown, place)`.
 */

import type { Shown, TableRow } from "./api.ts";
import { count, t } from "./texts.ts";

const SVG = "http://www.w3.org/2000/svg";
const LONG = 280;
const AGAIN_MS = 3000;
const FEWEST_CELLS = 16;

export interface Drawn {
  readonly element: HTMLElement;
  readonly bytes: number;
  /** Resolves when it is decoded, to the seconds that took; never rejects. */
  readonly ready: Promise<number>;
  /** Decodes once more what the browser may have let go of. */
  again(): void;
}

export function draw(shown: Shown): Drawn {
  const element = document.createElement("div");
  element.className = `view view-${shown.kind}`;
  const drawn = { element, bytes: shown.bytes ?? 0, ready: Promise.resolve(0), again: (): void => undefined };
  if (shown.script) return { ...drawn, ready: plugged(shown, element) };
  if (shown.kind === "image") return { ...drawn, ...image(shown, element) };
  if (shown.kind === "text") text(shown, element);
  else if (shown.kind === "table") table(shown.rows ?? [], element);
  else if (shown.kind === "json") element.append(value(shown.value, 0));
  else element.textContent = t("noView", { kind: shown.kind });
  return drawn;
}

/** What a person hears of it when it comes. */
export function heard(shown: Shown): string {
  return shown.kind === "text" ? (shown.text ?? "") : shown.kind === "image" ? shown.alt || t("picture") : t("next");
}

export function made<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  words: string | readonly Node[] = "",
  name = "",
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (typeof words === "string") element.textContent = words;
  else element.append(...words);
  return element;
}

function text(shown: Shown, element: HTMLElement): void {
  const words = shown.text ?? "";
  element.classList.toggle("long", words.length > LONG);
  element.dir = "auto";
  if (shown.language) element.lang = shown.language;
  element.textContent = words;
}

async function plugged(shown: Shown, element: HTMLElement): Promise<number> {
  const began = performance.now();
  try {
    const module = (await import(shown.script ?? "")) as { draw(shown: Shown, place: HTMLElement): unknown };
    await module.draw(shown, element);
  } catch {
    element.textContent = t("noView", { kind: shown.kind });
  }
  return (performance.now() - began) / 1000;
}

function image(shown: Shown, element: HTMLElement): Pick<Drawn, "ready" | "again"> {
  const picture = new Image();
  const button = made("button", [picture], "zoom");
  const failed = made("p", t("noPicture"), "soft");
  const began = performance.now();
  button.type = "button";
  button.title = t("larger");
  picture.alt = shown.alt || t("picture");
  picture.decoding = "sync"; // it is decoded before it is shown: painting must not wait a frame for what is there
  picture.draggable = false;
  failed.hidden = true;
  picture.src = shown.src ?? "";
  button.addEventListener("click", () => button.setAttribute("aria-pressed", String(element.classList.toggle("large"))));
  button.setAttribute("aria-pressed", "false");
  element.append(button, failed);
  const decoded = async (): Promise<number> => {
    for (let isFirst = true; ; isFirst = false) {
      try {
        if (!isFirst) picture.src = `${shown.src ?? ""}#${Date.now()}`;
        await picture.decode();
        failed.hidden = true;
        return isFirst ? (performance.now() - began) / 1000 : 0;
      } catch {
        failed.hidden = false;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
        if (element.dataset["gone"]) return 0;
      }
    }
  };
  return { ready: decoded(), again: () => void picture.decode().catch(() => undefined) };
}

function table(rows: readonly TableRow[], element: HTMLElement): void {
  const side = Math.sqrt(rows.length);
  if (!Number.isInteger(side) || rows.length < FEWEST_CELLS || rows.some((row) => !/^feature \d+$/.test(row.name))) {
    element.append(listed(rows));
    return;
  }
  const twin = made("details", [made("summary", t("asNumbers")), listed(rows)]);
  element.append(cells(rows.map((row) => row.value), side), twin);
}

function listed(rows: readonly TableRow[]): HTMLElement {
  const hasRanges = rows.some((row) => row.low !== null && row.high !== null);
  const names = [t("feature"), t("value"), ...(hasRanges ? [t("usual")] : [])];
  const heads = names.map((name, i) => {
    const cell = made("th", name, i === 1 ? "n" : "");
    cell.scope = "col";
    return cell;
  });
  const lines = rows.map((row) => {
    const head = made("th", row.name);
    head.scope = "row";
    const line = made("tr", [head, made("td", count(row.value), "n")], row.is_unusual ? "unusual" : "");
    if (hasRanges) line.append(ranged(row));
    return line;
  });
  return made("table", [made("thead", [made("tr", heads)]), made("tbody", lines)]);
}

/** Where the value lies: the usual range as a band, the value as a line across it; and in words when it is outside. */
function ranged(row: TableRow): HTMLElement {
  const cell = made("td", "", "range");
  if (row.low === null || row.high === null) return cell;
  const pad = (row.high - row.low || Math.abs(row.high) || 1) * 0.5;
  const from = Math.min(row.low - pad, row.value);
  const span = Math.max(row.high + pad, row.value) - from;
  const drawing = svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
  const place = (at: number): number => ((at - from) / span) * 100;
  const width = Math.max(1, place(row.high) - place(row.low));
  drawing.append(
    svg("rect", { class: "range-back", x: 0, y: 4, width: 100, height: 2 }),
    svg("rect", { class: "range-usual", x: place(row.low), y: 2, width, height: 6 }),
    svg("rect", { class: "range-value", x: Math.min(98, place(row.value)), y: 0, width: 2, height: 10 }),
  );
  cell.append(drawing, made("span", t("usualIs", { low: row.low, high: row.high })));
  if (row.is_unusual) cell.append(made("strong", t("unusual"), "mark alert"));
  return cell;
}

function cells(values: readonly number[], side: number): SVGElement {
  const drawing = svg("svg", {
    viewBox: `0 0 ${side} ${side}`,
    role: "img",
    "aria-label": t("drawn", { n: values.length, side }),
    "shape-rendering": "crispEdges",
  });
  const low = Math.min(0, ...values);
  const span = Math.max(...values) - low || 1;
  drawing.append(svg("rect", { class: "sheet-back", width: side, height: side }));
  values.forEach((value, i) => {
    const at = { x: i % side, y: Math.floor(i / side), width: 1, height: 1 };
    if (value > low) drawing.append(svg("rect", { ...at, "fill-opacity": ((value - low) / span).toFixed(3) }));
  });
  return drawing;
}

function svg(tag: string, traits: Readonly<Record<string, string | number>>): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(traits)) element.setAttribute(name, String(value));
  return element;
}

/** JSON as nested lists of names and values; what lies deeper than two levels is folded when it is long. */
function value(it: unknown, level: number): Node {
  if (it === null || typeof it !== "object") return made("span", it === null ? "null" : String(it), `json-${typeof it}`);
  if (Array.isArray(it) && it.length > 0 && it.every((part) => typeof part !== "object")) return made("span", it.join(", "));
  const parts = Object.entries(it as Record<string, unknown>);
  if (parts.length === 0) return made("span", Array.isArray(it) ? "[ ]" : "{ }", "soft");
  const list = made(
    "dl",
    parts.map(([name, part]) => made("div", [made("dt", name), made("dd", [value(part, level + 1)])])),
    "json",
  );
  if (level < 2 || parts.length < 4) return list;
  return made("details", [made("summary", `${parts.slice(0, 3).map(([name]) => name).join(", ")} …`), list]);
}
