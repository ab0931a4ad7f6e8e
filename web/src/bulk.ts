/**
 * A whole group of alike tasks labelled at once: first a sample of it is answered one by one, and when all of these
 * agree, one label goes to the rest. What it draws with is handed in, so that this file stays small and comes late.
 */

import type { Buttons } from "./answering.ts";
import type { Answer, Desk, Task } from "./api.ts";
import type { Keys } from "./labels.ts";
import type { Drawn } from "./views.ts";

export interface Kit {
  readonly Buttons: typeof Buttons;
  readonly at: typeof import("./dialogs.ts").at;
  readonly cap: typeof import("./answering.ts").cap;
  readonly draw: (shown: Task["view"]) => Drawn;
  readonly made: typeof import("./views.ts").made;
  readonly t: typeof import("./texts.ts").t;
}

interface Opened {
  readonly id: string;
  readonly cluster: string;
  readonly tasks: readonly Task[];
  readonly sample: readonly string[];
}

type Checked = Omit<Answer, "id">;

export interface Outcome {
  /** Answers to the sample that differed: they go the ordinary way. */
  readonly given: readonly Checked[];
  /** Tasks that were answered at once. */
  readonly closed: readonly string[];
}

interface Means {
  readonly desk: Desk;
  readonly keys: Keys;
  readonly kit: Kit;
}

const NOTHING: Outcome = { given: [], closed: [] };
const SAME_MS = 60;

/** Resolves when the dialog is closed; rejects with what the server refused. */
export async function labelGroup(task: Task, holding: readonly string[], means: Means): Promise<Outcome> {
  const { desk, kit } = means;
  const opened = await desk.post<Opened>("/api/bulk/open", { task: task.id, holding });
  const dialog = kit.made("dialog", [], "group");
  dialog.setAttribute("aria-labelledby", "group-title");
  document.body.append(dialog);
  dialog.showModal();
  try {
    return await new Promise<Outcome>((resolve, reject) => {
      dialog.addEventListener("close", () => resolve(NOTHING));
      run(opened, dialog, means).then(resolve, reject);
    });
  } finally {
    dialog.remove();
  }
}

async function run(opened: Opened, dialog: HTMLDialogElement, means: Means): Promise<Outcome> {
  const { desk, kit } = means;
  const { t } = kit;
  await overview(opened, dialog, kit);
  const given: Checked[] = [];
  const sample = opened.tasks.filter((task) => opened.sample.includes(task.id));
  for (const task of sample) {
    given.push(await checked(task, dialog, { means, done: given.length, all: sample.length }));
  }
  const first = given[0];
  const isSame = given.every((one) => spelled(one) === (first && spelled(first)));
  const [n, rest] = [given.length, opened.tasks.length - given.length];
  if (!first || !isSame) {
    await asked(dialog, kit, { text: t("groupDiffer", { n }), yes: t("done"), no: "" });
    return { given, closed: [] };
  }
  const label = (first.labels ?? [first.label ?? ""]).join(", ") || t("submitNone");
  if (rest > 0) {
    await asked(dialog, kit, { text: t("groupAgree", { n, label, rest }), yes: t("groupGive", { label, rest }), no: t("cancel") });
  }
  const answer = first.labels ? { labels: first.labels } : { label: first.label };
  const answers = given.map(({ task, label: one, labels, seconds }) => ({ task, seconds, ...(labels ? { labels } : { label: one }) }));
  await desk.post("/api/bulk/close", { id: opened.id, cluster: opened.cluster, ...answer, answers });
  return { given: [], closed: opened.tasks.map((task) => task.id) };
}

const spelled = (one: Checked): string => JSON.stringify(one.labels ?? one.label);

/** All of them small, so that it can be seen whether they belong together. */
async function overview(opened: Opened, dialog: HTMLDialogElement, kit: Kit): Promise<void> {
  const { made, t } = kit;
  const grid = made("ul", opened.tasks.map((task) => made("li", [kit.draw(task.view).element])), "alike");
  grid.tabIndex = 0;
  await asked(dialog, kit, {
    text: t("groupHow", { n: opened.sample.length }),
    yes: t("groupStart", { n: opened.sample.length }),
    no: t("cancel"),
    title: t("groupTitle", { n: opened.tasks.length }),
    body: grid,
  });
}

interface Asked {
  readonly text: string;
  readonly yes: string;
  readonly no: string;
  readonly title?: string;
  readonly body?: HTMLElement;
}

/** Resolves when it is agreed to; `no` closes the dialog. */
function asked(dialog: HTMLDialogElement, { made, t }: Kit, { text, yes, no, title, body }: Asked): Promise<void> {
  return new Promise((resolve) => {
    const head = made("h2", title ?? t("group"));
    const [go, leave] = [made("button", yes, "primary"), made("button", no)];
    head.id = "group-title";
    go.addEventListener("click", () => resolve());
    leave.addEventListener("click", () => dialog.close());
    const acts = made("p", no ? [go, leave] : [go], "tools");
    dialog.replaceChildren(made("div", [head, made("p", text), ...(body ? [body] : []), acts], "sheet"));
    go.focus();
  });
}

interface Place {
  readonly means: Means;
  readonly done: number;
  readonly all: number;
}

/** One task of the sample, answered by the keys and buttons that the desk has. */
function checked(task: Task, dialog: HTMLDialogElement, { means, done, all }: Place): Promise<Checked> {
  const { kit, keys } = means;
  const { made, t } = kit;
  return new Promise((resolve) => {
    const head = made("h2", t("groupCheck", { n: done, all }));
    const row = made("div", [kit.draw(task.view).element], "row");
    const [place, sure] = [made("div"), made("button", [made("span")], "primary submit")];
    const began = performance.now();
    head.id = "group-title";
    head.tabIndex = -1;
    const over = new AbortController();
    const given = (answer: readonly string[]): void => {
      const time = performance.now() - began;
      if (time < SAME_MS) return; // the same key press, or one before this task was seen
      over.abort();
      const said = task.question.kind === "multiple" ? { labels: answer } : { label: answer[0] ?? "" };
      resolve({ task: task.id, ...said, seconds: Math.round(time) / 1000 });
    };
    const buttons = new kit.Buttons(place, sure, given, () => undefined);
    const press = (event: KeyboardEvent): void => {
      const label = event.repeat || event.ctrlKey || event.metaKey || event.altKey ? undefined : keys.labels.get(event.key.toLowerCase());
      const isSure = event.key === "Enter" && place.contains(event.target as Node) && buttons.submit();
      if (label !== undefined) buttons.press(label);
      if (label !== undefined || isSure) event.preventDefault();
    };
    dialog.addEventListener("keydown", press, { signal: over.signal });
    dialog.replaceChildren(made("div", [head, row, place, sure], "sheet"));
    buttons.show(task, keys, []);
    head.focus();
  });
}
