/** What the training engine throws, as classes a caller can act on. */

/** The GPU went away (driver reset, sleep, another program). Build a new device and engine from what you last read. */
export class DeviceLostError extends Error {
  static override readonly name = 'DeviceLostError';
  override readonly name = 'DeviceLostError';
}

/** The model cannot fit this device; the message has the numbers. */
export class DoesNotFitError extends Error {
  static override readonly name = 'DoesNotFitError';
  override readonly name = 'DoesNotFitError';
}
