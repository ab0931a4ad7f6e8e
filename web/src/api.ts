/** The part of the control API that labelling needs. */

export interface Suggestion {
  readonly label: string;
  readonly model: string;
}

export interface Task {
  readonly id: string;
  readonly input: "text" | "tabular";
  readonly row: string | readonly number[];
  readonly labels: readonly string[];
  readonly suggestion: Suggestion | null;
}

export interface Claimed {
  readonly tasks: readonly Task[];
  readonly paused: string;
  readonly lease_seconds: number;
  readonly answered: number;
}

export interface Answer {
  readonly id: string;
  readonly task: string;
  readonly label: string;
  readonly seconds: number;
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
  return error instanceof Refused && [400, 404, 409].includes(error.status);
}

async function post<T>(path: string, body: unknown): Promise<T> {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    keepalive: true,
  });
  if (answer.ok) return (await answer.json()) as T;
  if (answer.status === 401) location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
  if (answer.status >= 500) throw new Error(`${path}: ${answer.status}`);
  const said = (await answer.json().catch(() => ({}))) as { error?: string };
  throw new Refused(answer.status, said.error ?? `${path}: ${answer.status}`);
}

export const claim = (annotator: string, count: number): Promise<Claimed> => post("/api/claim", { annotator, count });

export const submit = (annotator: string, annotations: readonly Answer[]): Promise<{ accepted: number }> =>
  post("/api/annotations", { annotator, annotations });

export const skip = (annotator: string, task: string, reason: string): Promise<unknown> =>
  post("/api/skip", { annotator, task, reason });

export const undo = (annotator: string, annotation: string): Promise<{ task: Task }> =>
  post("/api/undo", { annotator, annotation });
