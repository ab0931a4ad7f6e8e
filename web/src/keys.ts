/** Single-key shortcuts. They rest while a person types, and can be turned off on the sheet (WCAG 2.1.4). */

const SWITCH = "loopline.keys";
const PAGES: Readonly<Record<string, string>> = {
  o: "/",
  a: "/annotate",
  c: "/cycles",
  d: "/data",
  m: "/models",
  i: "/signals",
  q: "/query",
};
const SEQUENCE_MS = 1200;
let isResting = false;

export function areOn(): boolean {
  return localStorage.getItem(SWITCH) !== "off";
}

/** Whether a key press is meant as a shortcut: no modifier, nothing being typed, no dialog open. */
export function isShortcut(event: KeyboardEvent): boolean {
  if (!areOn() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return false;
  if (document.querySelector("dialog[open]")) return false;
  const target = event.target;
  return !(target instanceof HTMLElement && target.closest("input, select, textarea, [contenteditable]"));
}

/** Enter on a button or link is for that; on a label of several, it submits what is chosen. */
export function isOnControl(event: KeyboardEvent): boolean {
  const target = event.target;
  return target instanceof HTMLElement && target.closest("a, button, summary") !== null && !target.closest("#labels");
}

/** While a task is shown every letter may be a label: going to a page by `g` and a letter rests, and is not listed. */
export function restGoing(on: boolean): void {
  isResting = on;
  for (const row of document.querySelectorAll<HTMLElement>("[data-goto]")) row.hidden = on;
}

/** The title takes the focus, so that the next space bar neither closes the sheet nor turns the shortcuts off. */
function open(sheet: HTMLDialogElement): void {
  sheet.showModal();
  sheet.querySelector("h2")?.focus();
}

export function listen(): void {
  const sheet = document.querySelector<HTMLDialogElement>("#keys");
  const search = document.querySelector<HTMLInputElement>("#why-id");
  let wentAt = 0;
  document.addEventListener("keydown", (event) => {
    if (!isShortcut(event)) return;
    const key = event.key.toLowerCase();
    const page = isResting ? undefined : PAGES[key];
    if (page && event.timeStamp - wentAt < SEQUENCE_MS) {
      event.preventDefault();
      event.stopImmediatePropagation();
      location.assign(page);
    } else if (key === "g") {
      wentAt = event.timeStamp;
    } else if (event.key === "?" && sheet) {
      event.preventDefault();
      open(sheet);
    } else if (event.key === "/" && search) {
      event.preventDefault();
      search.focus();
    }
  });
  for (const button of document.querySelectorAll("[data-open=keys]")) {
    button.addEventListener("click", () => sheet && open(sheet));
  }
  const toggle = document.querySelector<HTMLInputElement>("#keys-on");
  if (toggle) {
    toggle.checked = areOn();
    toggle.addEventListener("change", () => localStorage.setItem(SWITCH, toggle.checked ? "on" : "off"));
  }
}
