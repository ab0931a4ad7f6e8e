/** Draws the columns of an answer: lines over times and numbers, bars over names. The table below holds every value. */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 640;
const HEIGHT = 220;
const LEFT = 64;
const RIGHT = 12;
const TOP = 12;
const BOTTOM = 28;
const GRID = 4;
/** Columns whose largest values differ by more than this have no axis in common. */
const SPREAD = 20;
const MOST_SERIES = 4;
const MOST_CHARTS = 4;
const MOST_BARS = 40;
const MOST_POINTS = 2000;

export interface Column {
  readonly name: string;
  readonly kind: string;
}

export type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };
export type Row = readonly Value[];

interface Series {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

/** One drawing for each scale; none where there is nothing to compare. */
export function draw(columns: readonly Column[], rows: readonly Row[]): HTMLElement[] {
  const x = columns[0];
  const isLine = x !== undefined && ["time", "date", "number"].includes(x.kind);
  if (x === undefined || rows.length < 2 || rows.length > (isLine ? MOST_POINTS : MOST_BARS)) return [];
  if (!isLine && x.kind !== "text") return [];
  const places = rows.map((row, i) => (isLine ? place(row[0], x.kind) : i));
  if (isLine && !isRising(places)) return [];
  return scales(series(columns, rows))
    .slice(0, MOST_CHARTS)
    .map((group) => figure(x, rows, { group, places: places.map((at) => at ?? 0), isLine }));
}

function series(columns: readonly Column[], rows: readonly Row[]): Series[] {
  return columns
    .map((column, i) => ({ column, i }))
    .filter(({ column, i }) => i > 0 && column.kind === "number")
    .map(({ column, i }) => ({ name: column.name, values: rows.map((row) => asNumber(row[i])) }))
    .filter(({ values }) => values.some((value) => value !== null));
}

function asNumber(value: Value | undefined): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function place(value: Value | undefined, kind: string): number | null {
  if (kind === "number") return asNumber(value);
  const at = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}

/** A line through points that go back and forth says nothing. */
function isRising(places: readonly (number | null)[]): boolean {
  return places.every((at, i) => at !== null && (i === 0 || at > (places[i - 1] ?? Number.NEGATIVE_INFINITY)));
}

function largest(one: Series): number {
  return Math.max(...one.values.map((value) => Math.abs(value ?? 0)));
}

/** Columns that can share an axis, in the order of the answer. */
function scales(all: readonly Series[]): Series[][] {
  const groups: Series[][] = [];
  for (const one of all) {
    const high = largest(one);
    const fits = groups.find((group) => {
      const other = Math.max(...group.map(largest));
      const isAlike = high === 0 || other === 0 || Math.max(high / other, other / high) <= SPREAD;
      return isAlike && group.length < MOST_SERIES;
    });
    if (fits) fits.push(one);
    else groups.push([one]);
  }
  return groups;
}

interface Shape {
  readonly group: readonly Series[];
  readonly places: readonly number[];
  readonly isLine: boolean;
}

function figure(x: Column, rows: readonly Row[], shape: Shape): HTMLElement {
  const values = shape.group.flatMap((one) => one.values.filter((value): value is number => value !== null));
  const step = stepOf(Math.max(0, ...values) - Math.min(0, ...values));
  const low = Math.floor(Math.min(0, ...values) / step) * step;
  const high = Math.max(Math.ceil(Math.max(0, ...values) / step) * step, low + step);
  const y = (value: number): number => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - BOTTOM - TOP);
  const drawing = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart plot", role: "img" });
  const names = shape.group.map((one) => one.name).join(", ");
  drawing.setAttribute("aria-label", `${names} by ${x.name}, ${rows.length} points; the table holds every value`);
  for (let tick = low; tick <= high + step / 2; tick += step) {
    drawing.append(element("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick) }));
    drawing.append(text(compact(tick, step), { x: LEFT - 8, y: y(tick) + 4, "text-anchor": "end" }));
  }
  const column = shape.isLine ? lines(drawing, shape, y) : bars(drawing, shape, y);
  label(drawing, x, rows, column);
  const made = document.createElement("figure");
  made.append(legend(shape.group), drawing);
  return made;
}

/** Draws the lines; gives the place of each row. */
function lines(drawing: Element, shape: Shape, y: (value: number) => number): number[] {
  const first = shape.places[0] ?? 0;
  const span = (shape.places.at(-1) ?? 0) - first || 1;
  const column = shape.places.map((at) => LEFT + 8 + ((at - first) / span) * (WIDTH - LEFT - RIGHT - 16));
  shape.group.forEach((one, i) => {
    let isBroken = true;
    const path = one.values.map((value, row) => {
      const move = isBroken ? "M" : "L";
      isBroken = value === null;
      return value === null ? "" : `${move}${(column[row] ?? 0).toFixed(1)} ${y(value).toFixed(1)}`;
    });
    drawing.append(element("path", { class: `line series-${i}`, d: path.join("") }));
    if (one.values.length > 60) return;
    one.values.forEach((value, row) => {
      if (value === null) return;
      drawing.append(element("circle", { class: `point series-${i}`, cx: column[row] ?? 0, cy: y(value), r: 3 }));
    });
  });
  return column;
}

/** Draws the bars; gives the middle of each row's. */
function bars(drawing: Element, shape: Shape, y: (value: number) => number): number[] {
  const pace = (WIDTH - LEFT - RIGHT) / shape.places.length;
  const width = Math.min(48, (pace * 0.72) / shape.group.length);
  const column = shape.places.map((_, row) => LEFT + pace * (row + 0.5));
  shape.group.forEach((one, i) => {
    one.values.forEach((value, row) => {
      if (value === null) return;
      const x = (column[row] ?? 0) + (i - shape.group.length / 2) * width;
      const [top, foot] = [Math.min(y(value), y(0)), Math.max(y(value), y(0))];
      drawing.append(element("rect", { class: `bar-of series-${i}`, x, y: top, width, height: foot - top }));
    });
  });
  return column;
}

/** The first, the middle and the last of many; all of few. */
function label(drawing: Element, x: Column, rows: readonly Row[], column: readonly number[]): void {
  const last = rows.length - 1;
  const chosen = rows.length <= 6 ? rows.map((_, i) => i) : [0, Math.floor(last / 2), last];
  for (const i of new Set(chosen)) {
    const anchor = rows.length <= 6 && x.kind === "text" ? "middle" : i === 0 ? "start" : i === last ? "end" : "middle";
    drawing.append(text(named(rows[i]?.[0], x.kind), { x: column[i] ?? 0, y: HEIGHT - 8, "text-anchor": anchor }));
  }
}

function named(value: Value | undefined, kind: string): string {
  const said = String(value ?? "");
  if (kind === "time") return said.slice(0, 16).replace("T", " ");
  return said.length > 16 ? `${said.slice(0, 15)}\u2026` : said;
}

function legend(group: readonly Series[]): HTMLElement {
  const made = document.createElement("figcaption");
  made.className = "legend";
  group.forEach((one, i) => {
    const entry = document.createElement("span");
    const key = document.createElement("span");
    key.className = `key series-${i}`;
    entry.append(key, one.name);
    made.append(entry);
  });
  return made;
}

/** From one grid line to the next: 1, 2 or 5 times a power of ten. */
export function stepOf(span: number): number {
  const least = span / GRID || 1;
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= least * 0.999) ?? least;
}

function compact(value: number, step: number): string {
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  if (Math.abs(value) >= 100_000) return Intl.NumberFormat("en", { notation: "compact" }).format(value);
  return Intl.NumberFormat("en", { maximumFractionDigits: Math.min(digits, 12) }).format(value);
}

function element(name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, typeof value === "number" ? String(Math.round(value * 10) / 10) : value);
  }
  return made;
}

function text(said: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const made = element("text", { class: "axis", ...attributes });
  made.textContent = said;
  return made;
}
