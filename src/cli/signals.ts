type Listeners = Partial<Record<NodeJS.Signals, () => void>>;

/** Listens to signals until what it gives back is called. */
export function heard(listeners: Listeners): () => void {
  const all = Object.entries(listeners);
  for (const [signal, listener] of all) process.on(signal, listener);
  return () => {
    for (const [signal, listener] of all) process.off(signal, listener);
  };
}

/** Listens from before something is opened until it is closed, or could not be opened. */
export async function whileHeard<T extends { close(): Promise<void> }>(
  listeners: Listeners,
  open: () => Promise<T>,
): Promise<T> {
  const unheard = heard(listeners);
  try {
    const opened = await open();
    return {
      ...opened,
      async close() {
        await opened.close();
        unheard();
      },
    };
  } catch (reason) {
    unheard();
    throw reason;
  }
}
