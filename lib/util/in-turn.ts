/** Steps one after the other that may or may not have to wait: nobody waits who need not. */

/**
 * Calls `act` with each element, the next when the one before is done.
 * @returns `undefined`: all of it is done already
 */
export function inTurn<T>(
  elements: Iterable<T>,
  act: (element: T) => Promise<void> | undefined | void,
): Promise<void> | undefined {
  const rest = elements[Symbol.iterator]();
  for (let next = rest.next(); next.done !== true; next = rest.next()) {
    const waiting = act(next.value);
    if (waiting !== undefined) return goOn(waiting, rest, act);
  }
  return undefined;
}

async function goOn<T>(
  waiting: Promise<void>,
  rest: Iterator<T>,
  act: (element: T) => Promise<void> | undefined | void,
): Promise<void> {
  await waiting;
  for (let next = rest.next(); next.done !== true; next = rest.next()) await act(next.value);
}
