/** Work that can wait until a person sees what was changed. */

const NEVER_PAINTED_MS = 150;

/** Runs after the frame that shows what was just changed; soon at any rate, where frames are not drawn. */
export function afterPaint(work: () => void): void {
  let isDone = false;
  const once = (): void => {
    if (!isDone) work();
    isDone = true;
  };
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = once;
  requestAnimationFrame(() => port2.postMessage(0));
  setTimeout(once, NEVER_PAINTED_MS);
}
