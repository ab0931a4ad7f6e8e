/** The query page: asks the API, shows the answer as a table and a drawing, and keeps the query in the address. */

import "./app.ts";
import { isShortcut } from "./keys.ts";
import { type Column, draw, type Row, type Value } from "./plot.ts";

interface Answer {
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly is_cut: boolean;
  readonly ms: number;
}

const SHOWN_ROWS = 1000;
const SAVED_ROWS = 100_000;
const LONG = 400;
const LINKED = new Set(["id", "prediction"]);
const COUNT = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const DECIMAL = new Intl.NumberFormat("en", { maximumSignificantDigits: 5 });

function found<T extends Element>(selector: string): T {
  const element = document.querySelector<T>(selector);
  if (!element) throw new Error(`no ${selector} on this page`);
  return element;
}

const form = found<HTMLFormElement>("#ask");
const editor = found<HTMLTextAreaElement>("#sql");
const problem = found<HTMLElement>("#problem");
const running = found<HTMLElement>("#running");
const answerCard = found<HTMLElement>("#answer");
const nothing = found<HTMLElement>("#nothing");
let turn = 0;
/** What the shown answer answers: downloads are of that, whatever stands in the editor by now. */
let answered = "";

async function post(sql: string, format: string, limit: number): Promise<Response> {
  const answer = await fetch("/api/query", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sql, format, limit }),
  });
  if (answer.ok) return answer;
  if (answer.status === 401) location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  const said = (await answer.json().catch(() => ({}))) as { error?: string };
  throw new Error(said.error ?? `the server answered ${answer.status}`);
}

function object(sentence: string): void {
  problem.textContent = sentence;
  editor.setAttribute("aria-invalid", String(Boolean(sentence)));
}

async function attempt<T>(act: Promise<T>): Promise<T | undefined> {
  try {
    return await act;
  } catch (error) {
    const isAway = error instanceof TypeError;
    object(isAway ? "The server does not answer; try again." : sentence((error as Error).message));
    return undefined;
  }
}

function sentence(said: string): string {
  const begun = said.charAt(0).toUpperCase() + said.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** Runs what stands in the editor. The focus stays where it is. */
async function run(): Promise<void> {
  const sql = editor.value.trim();
  if (!sql) {
    object("There is no query yet; write one, or choose a ready question.");
    return;
  }
  turn += 1;
  const mine = turn;
  object("");
  running.textContent = "Running\u2026";
  remember(sql);
  const answer = await attempt(post(sql, "json", SHOWN_ROWS).then((got) => got.json() as Promise<Answer>));
  if (mine !== turn) return;
  running.textContent = "";
  if (!answer) return;
  answered = sql;
  show(answer);
}

function remember(sql: string): void {
  const address = `?q=${encodeURIComponent(sql)}`;
  if (location.search !== address) history.pushState(null, "", address);
}

function show(answer: Answer): void {
  nothing.hidden = true;
  answerCard.hidden = false;
  const n = answer.rows.length;
  const cut = answer.is_cut ? `, cut at ${COUNT.format(n)} rows` : "";
  found("#found").textContent = `${COUNT.format(n)} ${n === 1 ? "row" : "rows"} in ${COUNT.format(Math.ceil(answer.ms))} ms${cut}`;
  const charts = found<HTMLElement>("#charts");
  const drawings = draw(answer.columns, answer.rows);
  charts.hidden = drawings.length === 0;
  charts.replaceChildren(...drawings);
  const rows = found<HTMLElement>("#rows");
  rows.replaceChildren(n > 0 ? table(answer) : none());
  rows.scrollTo(0, 0);
}

function none(): HTMLElement {
  const made = document.createElement("p");
  made.className = "soft";
  made.textContent = "No row fits. Loosen a condition, or ask about more time.";
  return made;
}

function table(answer: Answer): HTMLTableElement {
  const made = document.createElement("table");
  const caption = made.createCaption();
  caption.className = "unseen";
  caption.textContent = "Answer";
  const head = made.createTHead().insertRow();
  for (const column of answer.columns) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = column.kind === "time" ? `${column.name} (UTC)` : column.name;
    if (column.kind === "number") cell.className = "n";
    head.append(cell);
  }
  const body = made.createTBody();
  for (const row of answer.rows) {
    const line = body.insertRow();
    answer.columns.forEach((column, i) => {
      fill(line.insertCell(), row[i] ?? null, column);
    });
  }
  return made;
}

function fill(cell: HTMLTableCellElement, value: Value, column: Column): void {
  if (column.kind === "number") cell.className = "n";
  if (column.kind === "time" || column.kind === "date") cell.className = "moment";
  const said = spelled(value, column);
  if (value === null) {
    cell.classList.add("soft");
  } else if (LINKED.has(column.name) && typeof value === "string") {
    const link = document.createElement("a");
    link.href = `/why?id=${encodeURIComponent(value)}`;
    link.textContent = said;
    cell.append(link);
    return;
  }
  cell.textContent = said;
  if (typeof value === "number" && String(value) !== said) cell.title = String(value);
}

function spelled(value: Value, column: Column): string {
  if (value === null) return "\u2013";
  if (typeof value === "number") return Number.isInteger(value) ? COUNT.format(value) : DECIMAL.format(value);
  if (column.kind === "time" && typeof value === "string") return moment(value);
  const said = typeof value === "string" ? value : JSON.stringify(value);
  return said.length > LONG ? `${said.slice(0, LONG - 1)}\u2026` : said;
}

/** To the millisecond where there are any; the head of the column says that it is UTC. */
function moment(value: string): string {
  return value.replace("T", " ").replace("Z", "").replace(/(\.\d{3})\d*/, "$1");
}

/** Saves the whole answer, up to many more rows than are shown. */
async function download(format: string): Promise<void> {
  object("");
  running.textContent = "Preparing the file\u2026";
  const answer = await attempt(post(answered, format, SAVED_ROWS));
  running.textContent = "";
  if (!answer) return;
  const isCut = answer.headers.get("loopline-cut") === "true";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = `answer.${format}`;
  link.click();
  URL.revokeObjectURL(link.href);
  running.textContent = isCut ? `Saved, cut at ${COUNT.format(SAVED_ROWS)} rows or 64 MB` : "Saved";
}

function choose(button: HTMLButtonElement): void {
  editor.value = button.dataset["sql"] ?? "";
  void run();
}

/** What the address asks, as when the page is loaded, shared, or gone back to. */
function restore(): void {
  const sql = new URLSearchParams(location.search).get("q") ?? "";
  editor.value = sql;
  if (sql) void run();
}

const ready = [...document.querySelectorAll<HTMLButtonElement>("[data-sql]")];
for (const button of ready) button.addEventListener("click", () => choose(button));
for (const button of document.querySelectorAll<HTMLButtonElement>("[data-download]")) {
  button.addEventListener("click", () => void download(button.dataset["download"] ?? "csv"));
}
form.addEventListener("submit", (event) => {
  event.preventDefault();
  void run();
});
editor.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    void run();
  } else if (event.key === "Escape") {
    editor.blur();
  }
});
document.addEventListener("keydown", (event) => {
  if (!isShortcut(event)) return;
  const button = /^\d$/.test(event.key) ? ready[Number(event.key) - 1] : undefined;
  if (button) choose(button);
  else if (event.key.toLowerCase() === "e") {
    event.preventDefault();
    editor.focus();
  }
});
addEventListener("popstate", restore);
restore();
