/**
 * Consent is a real click or key press of a person. A script, an embedding page or an extension can call `.click()`
 * or dispatch an event, but cannot make it trusted.
 */
import type { SyntheticEvent } from 'react';

export const onTrusted =
  (act: () => void) =>
  (event: Pick<SyntheticEvent, 'isTrusted'>): void => {
    if (event.isTrusted) act();
  };
