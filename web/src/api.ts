/** The part of the control API that labelling needs. */

export interface Suggestion {
  readonly label: string;
  readonly model: string;
}

export interface Asked {
  /** `single`, `binary`, `multiple`, `rating`, or the name of an installed kind, which is asked as `single`. */
  readonly kind: string;
  readonly labels: readonly string[];
  readonly text: string;
}

export interface TableRow {
  readonly name: string;
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly is_unusual: boolean;
}

/** What the view of this `kind` draws from; one that is installed names the module that draws it. */
export interface Shown {
  readonly kind: string;
  readonly script?: string;
  readonly text?: string;
  readonly language?: string;
  readonly src?: string;
  readonly bytes?: number;
  readonly alt?: string;
  readonly rows?: readonly TableRow[];
  readonly value?: unknown;
}

export interface Task {
  readonly id: string;
  readonly question: Asked;
  readonly view: Shown;
  readonly suggestion: Suggestion | null;
  readonly language?: string;
  readonly guideline?: number;
}

export interface Claimed {
  readonly tasks: readonly Task[];
  readonly paused: string;
  readonly lease_seconds: number;
  readonly answered: number;
  readonly quota_left?: number | null;
}

export interface Answer {
  readonly id: string;
  readonly task: string;
  readonly label?: string;
  readonly labels?: readonly string[];
  readonly seconds: number;
  readonly comment?: string;
  readonly is_flagged?: boolean;
}

export interface Pass {
  readonly id: string;
  readonly task: string;
  readonly reason: string;
  readonly comment?: string;
}

export interface Me {
  readonly name: string;
  readonly roles: readonly string[];
  readonly language?: string;
  readonly answered: number;
  readonly today: number;
  readonly quota: number;
  readonly days: readonly { readonly date: string; readonly answers: number }[];
  readonly agreement: { readonly share: number; readonly n: number; readonly low: number; readonly high: number } | null;
  readonly pace_seconds: number | null;
  readonly left: { readonly tasks: number; readonly seconds: number | null };
}

export interface Guideline {
  readonly version: number;
  readonly text: string;
  readonly examples: readonly { readonly text: string; readonly label: string; readonly why?: string }[];
  readonly at?: string | null;
}

/** The server said no, in words. Anything else that goes wrong is a network failure. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    sentence: string,
  ) {
    super(sentence);
  }
}

/** Whether the server has judged what was sent, and would judge it the same again: it is malformed, unknown or too late.
    Any other failure (signed out, called by a wrong name, broken, away) is about the way there and worth another try. */
export function isFinal(error: unknown): error is Refused {
  return error instanceof Refused && [400, 404, 409, 413, 422].includes(error.status);
}

/** Characters of a body that the browser still sends when the page is left; it keeps no more than 64 KiB in all. */
const OUTLIVES = 16_000;

export async function ask<T>(path: string, body?: unknown): Promise<T> {
  const order: RequestInit = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const headers = { "content-type": "application/json", accept: "application/json" };
  const isSmall = typeof order.body === "string" && order.body.length < OUTLIVES;
  const answer = await fetch(path, { ...order, headers, keepalive: isSmall, redirect: "error" });
  if (answer.ok) return (await answer.json()) as T;
  if (answer.status >= 500) throw new Error(`${path}: ${answer.status}`);
  const said = (await answer.json().catch(() => ({}))) as { error?: string };
  throw new Refused(answer.status, said.error ?? `${path}: ${answer.status}`);
}

/** The calls of one annotator. The name goes along also where it is that of who has signed in: when somebody else signs
    in on another tab of this browser, the server refuses what was said here instead of taking it for theirs. */
export class Desk {
  constructor(private readonly annotator: string) {}

  post<T>(path: string, body: object): Promise<T> {
    return ask(path, this.annotator ? { annotator: this.annotator, ...body } : body);
  }

  claim(count: number, like = ""): Promise<Claimed> {
    return this.post("/api/claim", like ? { count, like } : { count });
  }

  hold(tasks: readonly string[]): Promise<{ held: number }> {
    return this.post("/api/hold", { tasks });
  }

  me(): Promise<Me> {
    return ask(this.annotator ? `/api/me?annotator=${encodeURIComponent(this.annotator)}` : "/api/me");
  }
}
