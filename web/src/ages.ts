/** Moments as ages: "12 s ago", kept fresh every second. The exact moment stays in the title. */

const STEPS: readonly [number, string][] = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
];

export function age(seconds: number): string {
  if (seconds < 1) return "just now";
  for (const [size, unit] of STEPS) {
    if (seconds >= size) return `${Math.floor(seconds / size)}\u202f${unit} ago`;
  }
  return "just now";
}

/** Writes the age into every marked element under `root`. */
export function refresh(root: ParentNode = document): void {
  const now = Date.now();
  for (const element of root.querySelectorAll("[data-ago]")) {
    const moment = element.getAttribute("data-ago") || element.getAttribute("datetime") || "";
    const at = Date.parse(moment);
    if (Number.isNaN(at)) continue;
    if (element instanceof HTMLElement && !element.title) element.title = element.textContent ?? "";
    const text = age(Math.max(0, (now - at) / 1000));
    if (element.textContent !== text) element.textContent = text;
  }
}
