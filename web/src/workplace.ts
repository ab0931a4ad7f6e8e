/** The desk: one task at a time, one key a label, the next tasks already here and painted within a frame. */

import { Buttons, cap } from "./answering.ts";
import { type Desk, type Me, type Task, Refused } from "./api.ts";
import { SkipDialog, at } from "./dialogs.ts";
import { BLANK, type Draft, Drafts, History } from "./history.ts";
import { isOnControl, isShortcut, restGoing } from "./keys.ts";
import { COMMANDS, type Chosen, type Command, type Keys, actOf, capsOf, keyOf, keysOf, labelAct } from "./labels.ts";
import { Outbox, type Parcel } from "./outbox.ts";
import { afterPaint } from "./paint.ts";
import type { KeyDialog } from "./remap.ts";
import { Shelf, token } from "./shelf.ts";
import { Guide, Progress } from "./side.ts";
import { tally, tell, wayOf } from "./status.ts";
import { Supply } from "./supply.ts";
import { t } from "./texts.ts";
import { draw, heard, made } from "./views.ts";

const LOOK_AGAIN_MS = 3000;
const HOLDER = "desk";

export class Workplace {
  private readonly mine = token();
  private readonly shelf: Shelf;
  private readonly outbox: Outbox;
  private readonly supply: Supply;
  private readonly history: History;
  private readonly drafts: Drafts;
  private readonly buttons: Buttons;
  private readonly skipping: SkipDialog;
  private keyDialog: KeyDialog | undefined;
  private chosen: Chosen;
  private readonly guide: Guide;
  private keys: Keys = keysOf([]);
  private keysFor = "";
  private draft: Draft = BLANK;
  private shown = "";
  private shownAt = 0;
  private hiddenAt = 0;
  /** Whether the task has been painted: what nobody has seen cannot be answered. */
  private isSeen = false;
  today: number;
  answered: number;

  constructor(
    loop: string,
    private me: Me,
    private readonly desk: Desk,
  ) {
    at("group").hidden = !at("desk").dataset["group"];
    this.shelf = new Shelf(loop, me.name);
    [this.today, this.answered] = [me.today, me.answered];
    this.outbox = new Outbox(desk, this.shelf, {
      changed: () => this.tally(),
      refused: (sentence, parcel) => this.refused(sentence, parcel),
      reopened: (task) => this.supply.reopened(task) && this.draw(),
    });
    this.today += this.outbox.balance;
    this.answered += this.outbox.balance;
    this.supply = new Supply(desk, this.outbox, () => this.draw());
    this.history = new History(this.shelf);
    this.drafts = new Drafts(this.shelf);
    this.buttons = new Buttons(at("labels"), at<HTMLButtonElement>("submit"), (answer) => this.answer(answer), (picked) =>
      this.note({ picked }),
    );
    this.skipping = new SkipDialog((reason, comment) => this.pass(reason, comment));
    this.chosen = this.shelf.read<Chosen>("keys", {});
    this.guide = new Guide(this.shelf, tell);
    const progress = new Progress(me, desk, this.shelf, { counted: this, learned: (fresh) => this.learn(fresh) });
    if (this.outbox.size > 0) void this.outbox.flush().then(() => progress.refresh());
    this.listen();
    this.sit();
  }

  /** The tab that was opened or asked last has the desk; the others stand back until somebody asks them. */
  private sit(): void {
    this.shelf.keep(HOLDER, this.mine);
    this.history.reread();
    at("desk").hidden = false;
    at("me").textContent = this.me.name;
    void this.supply.fill();
    void this.outbox.flush();
    this.draw();
  }

  private get isMine(): boolean {
    return this.shelf.read(HOLDER, this.mine) === this.mine;
  }

  private listen(): void {
    const acts: Readonly<Record<string, () => void>> = {
      undo: () => this.undo(),
      "undo-rest": () => this.undo(),
      pass: () => this.askToSkip(),
      flag: () => this.flag(),
      "comment-toggle": () => this.comment(),
      like: () => void this.alike(),
      group: () => void this.openGroup(),
      "remap-open": () => void this.openKeys(),
      "sit-here": () => this.sit(),
      "trouble-close": () => (at("trouble").hidden = true),
    };
    for (const [id, act] of Object.entries(acts)) at(id).addEventListener("click", act);
    at("comment").addEventListener("input", () => this.note({ comment: at<HTMLTextAreaElement>("comment").value }));
    at("comment").addEventListener("keydown", (event) => this.leaveComment(event));
    document.addEventListener("keydown", (event) => this.press(event));
    document.addEventListener("pointerdown", () => this.supply.acted());
    document.addEventListener("visibilitychange", () => this.turnAway());
    addEventListener("storage", (event) => {
      if (event.key === `${this.shelf.prefix}${HOLDER}` && !this.isMine) this.standBack();
    });
    addEventListener("pagehide", () => this.isMine && this.supply.leaveAll());
    addEventListener("pageshow", (event) => event.persisted && this.isMine && this.sit());
    setInterval(() => {
      if (!this.supply.current && !document.hidden && this.isMine) void this.supply.fill();
    }, LOOK_AGAIN_MS);
  }

  private press(event: KeyboardEvent): void {
    this.supply.acted();
    if (!isShortcut(event)) return;
    const key = keyOf(event, this.keys);
    const label = this.keys.labels.get(key);
    const command = COMMANDS.find((name) => this.keys.commands[name] === key);
    if (label !== undefined && this.supply.current) this.buttons.press(label);
    else if (command) this.obey(command);
    else if (key !== "enter" || isOnControl(event) || !this.supply.current || !this.buttons.submit()) return;
    event.preventDefault();
  }

  private obey(command: Command): void {
    if (command === "undo") this.undo();
    else if (command === "guideline") this.guide.toggle();
    else if (!this.supply.current) return;
    else if (command === "skip") this.askToSkip();
    else if (command === "flag") this.flag();
    else if (command === "comment") this.comment();
    else if (command === "like") void this.alike();
    else void this.openGroup();
  }

  private answer(answer: readonly string[]): void {
    const task = this.supply.current;
    if (!task || !this.isSeen || !this.holdsDesk()) return;
    const comment = this.draft.comment.trim();
    const id = token();
    const seconds = Math.max(0, Math.round(performance.now() - this.shownAt) / 1000);
    const said = task.question.kind === "multiple" ? { labels: answer } : { label: answer[0] ?? "" };
    const more = { ...(comment && { comment }), ...(this.draft.isFlagged && { is_flagged: true }) };
    this.supply.take();
    this.outbox.add({ kind: "answer", body: { id, task: task.id, ...said, seconds, ...more } });
    this.today += 1;
    this.answered += 1;
    const words = answer.join(", ") || t("submitNone");
    const draft = { ...this.draft, picked: answer };
    this.history.add({ id, task: task.id, answer: words, draft, copy: task });
    this.drafts.drop(task.id);
    this.next(t("said", { label: words }));
  }

  private pass(reason: string, comment: string): void {
    const task = this.supply.current;
    if (!task || !this.holdsDesk()) return;
    this.supply.take();
    this.outbox.add({ kind: "skip", body: { id: token(), task: task.id, reason, ...(comment && { comment }) } });
    this.drafts.drop(task.id);
    this.next(t("skipped"));
  }

  private undo(): void {
    const last = this.history.last;
    if (!last || !this.holdsDesk()) return;
    this.history.drop(last.id);
    this.drafts.keep(last.task, last.draft);
    this.today = Math.max(0, this.today - 1);
    this.answered = Math.max(0, this.answered - 1);
    this.supply.forget(last.task);
    if (last.copy) this.supply.put(last.copy);
    this.outbox.add({ kind: "undo", body: { id: token(), task: last.task, annotation: last.id } });
    this.draw();
    this.say(t("undone"));
  }

  private askToSkip(): void {
    this.skipping.open(this.draft.comment);
  }

  private flag(): void {
    this.note({ isFlagged: !this.draft.isFlagged });
    this.drawDraft();
  }

  private comment(): void {
    at("remark").hidden = false;
    at("comment").focus();
  }

  private leaveComment(event: KeyboardEvent): void {
    if (event.key !== "Escape" && !(event.key === "Enter" && (event.ctrlKey || event.metaKey))) return;
    at("remark").hidden = !this.draft.comment;
    at("row").focus();
  }

  /** The tasks that are alike, for who may settle tasks; few need it, so it is fetched when it is wanted. */
  private async openGroup(): Promise<void> {
    const task = this.supply.current;
    if (!task || at("group").hidden) return;
    try {
      const { labelGroup } = await import("./bulk.ts");
      const kit = { Buttons, at, cap, draw, made, t };
      const { given, closed } = await labelGroup(task, this.supply.ids, { desk: this.desk, keys: this.keys, kit });
      for (const one of given) this.outbox.add({ kind: "answer", body: { id: token(), ...one } });
      for (const one of [...closed, ...given.map((answer) => answer.task)]) this.supply.settle(one);
      if (closed.length > 0) tell(t("groupDone", { n: closed.length }));
    } catch (error) {
      this.tellError(error);
    }
    this.draw();
    void this.supply.fill();
  }

  private async openKeys(): Promise<void> {
    at<HTMLDialogElement>("keys").close();
    const { KeyDialog } = await import("./remap.ts");
    this.keyDialog ??= new KeyDialog({ COMMANDS, actOf, at, cap, capsOf, labelAct, made, t }, {
      keys: () => this.keys,
      labels: () => this.supply.current?.question.labels ?? [],
      chosen: () => this.chosen,
      choose: (chosen) => this.choose(chosen),
    });
    this.keyDialog.open();
  }

  private choose(chosen: Chosen): void {
    this.chosen = chosen;
    this.shelf.keep("keys", chosen);
    this.shown = "";
    this.draw();
  }

  private async alike(): Promise<void> {
    const task = this.supply.current;
    if (!task) return;
    try {
      const n = await this.supply.more(task.id);
      tell(n > 0 ? t("likeSome", { n }) : t("likeNone"));
    } catch (error) {
      this.tellError(error);
    }
  }

  private note(part: Partial<Draft>): void {
    const task = this.supply.current;
    this.draft = { ...this.draft, ...part };
    if (task) this.drafts.keep(task.id, this.draft);
  }

  /** Storage tells other tabs a moment late; nothing is given by a tab that has lost the desk meanwhile. */
  private holdsDesk(): boolean {
    if (!this.isMine) this.standBack();
    return this.isMine;
  }

  private standBack(): void {
    this.supply.handOver();
    this.draw();
  }

  private next(said: string): void {
    this.draw();
    this.say(said);
    afterPaint(() => {
      this.supply.warm();
      if (this.supply.isLow) void this.supply.fill();
    });
  }

  private say(said: string): void {
    const task = this.supply.current;
    at("spoken").textContent = said + (task ? heard(task.view) : "");
  }

  private draw(): void {
    const task = this.supply.current;
    restGoing(Boolean(task));
    at("task").hidden = !task;
    at("rest").hidden = Boolean(task) || (this.isMine && !this.supply.hasAsked);
    at<HTMLButtonElement>("undo").disabled = !this.history.last;
    at("undo-rest").hidden = !this.history.last || !this.isMine;
    at("undo-what").textContent = this.history.last?.answer ?? "";
    this.tally();
    if (!task) this.drawRest();
    else if (this.shown !== task.id) this.drawTask(task);
  }

  private drawTask(task: Task): void {
    this.shown = task.id;
    this.isSeen = false;
    at("task").dataset["task"] = task.id;
    at("task").ariaBusy = "true";
    this.draft = this.drafts.of(task.id);
    this.bind(task);
    at("task-title").textContent = task.question.text || t(titleOf(task.question.kind));
    const drawn = this.supply.of(task);
    at("row").replaceChildren(drawn.element);
    this.buttons.show(task, this.keys, this.draft.picked);
    this.drawDraft();
    at("remark").hidden = !this.draft.comment;
    at<HTMLTextAreaElement>("comment").value = this.draft.comment;
    const hint = task.suggestion ? t("suggests", { model: task.suggestion.model, label: task.suggestion.label }) : "";
    at("hint").textContent = hint;
    if (scrollY > 0) scrollTo(0, 0);
    this.shownAt = performance.now();
    void drawn.ready.then(() => afterPaint(() => this.seen(task)));
  }

  private seen(task: Task): void {
    if (this.shown !== task.id) return;
    this.isSeen = true;
    at("task").ariaBusy = "false";
    this.shownAt = performance.now();
    this.supply.warm();
    void this.guide.follow(task.guideline ?? 0);
  }

  private drawDraft(): void {
    at("flag").setAttribute("aria-pressed", String(this.draft.isFlagged));
    at("flag-name").textContent = t(this.draft.isFlagged ? "flagged" : "flag");
  }

  private drawRest(): void {
    this.shown = "";
    const { paused, quotaLeft } = this.supply;
    at("sit-here").hidden = this.isMine;
    const words = !this.isMine
      ? [t("elsewhere"), t("elsewhereWhy")]
      : paused
        ? [t("paused"), t("pausedWhy", { reason: paused })]
        : quotaLeft === 0
          ? [t("quota"), t("quotaWhy", { n: this.me.quota || this.today })]
          : [t("empty"), wayOf(this.outbox.way) || t("emptyWhy")];
    [at("rest-title").textContent, at("rest-text").textContent] = [words[0] ?? "", words[1] ?? ""];
  }

  /** The keys follow the labels; the sheet and the caps of the commands say which they are. */
  private bind(task: Task): void {
    const sort = JSON.stringify([task.question.labels, this.chosen]);
    if (sort === this.keysFor) return;
    this.keysFor = sort;
    this.keys = keysOf(task.question.labels, this.chosen);
    for (const place of document.querySelectorAll<HTMLElement>("[data-key]")) {
      const key = this.keys.commands[place.dataset["key"] as Command];
      place.textContent = key.toUpperCase();
      place.hidden = !key;
      const row = place.closest<HTMLElement>(".keys > div");
      if (row) row.hidden = !key;
    }
  }

  private tally(): void {
    if (!this.supply) return; // what the outbox finds when it opens
    tally(this.outbox, this.me, this);
    if (!this.supply.current) this.drawRest();
  }

  /** The server's figures, unless something is on its way that it may have counted or not. */
  private learn(fresh: Me): void {
    this.me = { ...fresh, name: this.me.name };
    if (this.outbox.size === 0) [this.today, this.answered] = [fresh.today, fresh.answered];
    this.tally();
  }

  /** An undo that came too late: the answer stands, and the task leaves the desk. Any other: it is said. */
  private refused(sentence: string, parcel: Parcel | null): void {
    tell(sentence, "alert");
    if (parcel?.kind === "answer") this.history.drop(parcel.body.id);
    if (parcel?.kind === "undo" && !this.outbox.holds(parcel.body.task)) this.supply.settle(parcel.body.task);
    this.draw();
  }

  private tellError(error: unknown): void {
    if (error instanceof Refused) tell(error.message, "alert");
    else this.outbox.failed(error);
  }

  private turnAway(): void {
    if (document.hidden) this.hiddenAt = performance.now();
    else {
      this.shownAt += performance.now() - this.hiddenAt;
      this.supply.acted();
    }
  }
}

function titleOf(kind: string): "which" | "whichAll" | "rate" {
  return kind === "multiple" ? "whichAll" : kind === "rating" ? "rate" : "which";
}
