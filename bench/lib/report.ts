/** Prints figures: one JSON object a line with --json, else one short sentence a line. */
import { rounded } from './statistics.ts';

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Where and what was measured: size, runtime, adapter, spread. */
  readonly [detail: string]: unknown;
}

/** Values are rounded to four digits. */
export function reporter(json: boolean): (figure: Figure) => void {
  return ({ name, value, unit, ...details }) => {
    if (json) {
      console.log(JSON.stringify({ name, value: rounded(value), unit, ...details }));
      return;
    }
    const rest = Object.entries(details).filter(([, detail]) => detail !== undefined);
    console.log(
      `${name} ${rounded(value)} ${unit}  ${rest.map(([k, detail]) => `${k}=${String(detail)}`).join(' ')}`,
    );
  };
}
