/**
 * Errors that cross a worker. comlink carries an error's name, message and stack and drops the rest; this also carries
 * `code` and `facts`, so that the page has the figures of what went wrong. The class is lost all the same: tell errors
 * apart by name.
 *
 * `facts` must be a value that structured cloning copies. The receiving side needs nothing: comlink puts every field it
 * gets on the error that it throws there.
 */
import { transferHandlers } from 'comlink';

type Throw = { readonly value: unknown };
/** As comlink's own handler writes it. */
type Serialized = { readonly isError: boolean; readonly value: unknown };

/** Call it in a worker before `expose`. Calling it again changes nothing. */
export function carryFacts(): void {
  const own = transferHandlers.get('throw');
  if (own === undefined || carrying.has(own)) return;
  const handler = {
    canHandle: (value: unknown): value is unknown => own.canHandle(value),
    serialize(thrown: Throw): [Serialized, Transferable[]] {
      const [serialized, transfers] = own.serialize(thrown) as [Serialized, Transferable[]];
      const { value: error } = thrown;
      if (!(error instanceof Error)) return [serialized, transfers];
      const kept = Object.fromEntries(
        (['code', 'facts'] as const)
          .filter((key) => key in error)
          .map((key) => [key, Reflect.get(error, key)]),
      );
      return [{ ...serialized, value: { ...(serialized.value as object), ...kept } }, transfers];
    },
    deserialize: (serialized: unknown): unknown => own.deserialize(serialized),
  };
  carrying.add(handler);
  transferHandlers.set('throw', handler);
}

const carrying = new WeakSet<object>();
