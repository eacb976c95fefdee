/** Corpora for experiments: the built-in text by the name "sotu", any other by its path. */
import { basename } from 'node:path';
import { type Document, loadCorpus } from '../../src/host/corpus.ts';
import type { ByteCorpus } from './data.ts';

const BUILT_IN = 'sotu';

/** The name of a corpus in results: a file's name without its ending. */
export const corpusName = (argument: string): string => basename(argument).replace(/\.[^.]*$/, '');

const encode = (documents: readonly Document[]) => documents.map((d) => new TextEncoder().encode(d.text));

/** Throws HostFault. Every tenth document is held out, as in a real run. */
export function readCorpus(argument: string): ByteCorpus {
  const { train, heldOut } = loadCorpus(argument === BUILT_IN ? undefined : argument);
  const parts = encode(train);
  return {
    train: new Uint8Array(Buffer.concat(parts)),
    documents: parts.map((part) => part.byteLength),
    heldOut: new Uint8Array(Buffer.concat(encode(heldOut))),
  };
}
