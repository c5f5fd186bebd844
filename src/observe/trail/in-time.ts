/** Whether it is over in time. */
export async function inTime(ms: number, over: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  try {
    return await Promise.race([over.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
