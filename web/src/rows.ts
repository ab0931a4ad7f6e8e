/** Shows a row to a person: a text as text, numbers as a picture when they form a square, and as a table. */

const SVG = "http://www.w3.org/2000/svg";
const LONG = 280;

export function show(row: string | readonly number[], into: HTMLElement): void {
  into.classList.toggle("long", typeof row !== "string" || row.length > LONG);
  if (typeof row === "string") {
    into.textContent = row;
    return;
  }
  const side = Math.sqrt(row.length);
  const isSquare = Number.isInteger(side) && side >= 4;
  into.replaceChildren(...(isSquare ? [picture(row, side), numbers(row)] : [table(row)]));
}

function picture(row: readonly number[], side: number): SVGElement {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", `0 0 ${side} ${side}`);
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", `${row.length} values drawn as a ${side} by ${side} picture`);
  drawing.setAttribute("shape-rendering", "crispEdges");
  const low = Math.min(0, ...row);
  const span = Math.max(...row) - low || 1;
  drawing.append(cell(0, 0, side, 1, "sheet-back"));
  row.forEach((value, i) => {
    if (value > low) drawing.append(cell(i % side, Math.floor(i / side), 1, (value - low) / span, ""));
  });
  return drawing;
}

function cell(x: number, y: number, size: number, opacity: number, name: string): SVGElement {
  const made = document.createElementNS(SVG, "rect");
  for (const [key, value] of Object.entries({ x, y, width: size, height: size, "fill-opacity": opacity.toFixed(3) })) {
    made.setAttribute(key, String(value));
  }
  if (name) made.setAttribute("class", name);
  return made;
}

function numbers(row: readonly number[]): HTMLElement {
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = "As numbers";
  details.append(summary, table(row));
  return details;
}

function table(row: readonly number[]): HTMLElement {
  const made = document.createElement("table");
  const body = made.createTBody();
  row.forEach((value, i) => {
    const line = body.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = `feature ${i}`;
    line.append(head);
    const shown = line.insertCell();
    shown.className = "n";
    shown.textContent = String(value);
  });
  return made;
}
