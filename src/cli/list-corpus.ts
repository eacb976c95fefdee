/** `tabswarm start --list`: what a start would publish of a text file or folder. Makes no run and opens no port. */
import { loadCorpus } from '../host/corpus.ts';
import { HostFault } from '../host/faults.ts';
import type { Output } from './output.ts';
import { faultText } from './say.ts';
import { listingLines, refusalLine } from './say-corpus.ts';

/** Prints the list; the exit code. Throws HostFault when the path itself cannot be used. */
export function listCorpus(path: string | undefined, { out }: Output): number {
  const lines: string[] = [];
  try {
    loadCorpus(path, { onListing: (listing) => lines.push(...listingLines(listing)) });
  } catch (error) {
    if (!(error instanceof HostFault) || lines.length === 0) throw error;
    lines.push(refusalLine(faultText(error.fault)));
  }
  for (const line of lines) out(line);
  return 0;
}
