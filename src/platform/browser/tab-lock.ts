/** Web Locks: what only one tab of this browser may hold at a time. The browser frees a lock when its tab goes away. */

/**
 * Holds a lock until the returned function is called or the tab closes; null when somebody else has it. What that returns
 * resolves when others can have it. Rejects where the browser forbids locks, as with blocked site data.
 */
export async function tryLock(name: string): Promise<(() => Promise<void>) | null> {
  // Web Locks exist only in secure contexts. Without one there is no WebGPU either, and watching needs no identity.
  if (navigator.locks === undefined) return async () => {};
  return new Promise((resolve, reject) => {
    const held: Promise<unknown> = navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      if (lock === null) {
        resolve(null);
        return undefined;
      }
      return new Promise<void>((release) =>
        resolve(async () => {
          release();
          await held;
        }),
      );
    });
    held.catch(reject);
  });
}
