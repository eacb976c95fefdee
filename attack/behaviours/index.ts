/** All behaviours that the command knows by name, in the order of the table. */
import type { Behaviour } from '../behaviour.ts';
import copy from './copy.ts';
import copyMosaic from './copy-mosaic.ts';
import copyNoise from './copy-noise.ts';
import copyPermuted from './copy-permuted.ts';
import copyScaled from './copy-scaled.ts';
import eclipse from './eclipse.ts';
import flooder from './flooder.ts';
import huge from './huge.ts';
import late from './late.ts';
import launder from './launder.ts';
import lazyData from './lazy-data.ts';
import lazyHalf from './lazy-half.ts';
import lazyScaled from './lazy-scaled.ts';
import malformed from './malformed.ts';
import randomTopK from './random-topk.ts';
import replay from './replay.ts';
import signFlip from './sign-flip.ts';
import silent from './silent.ts';
import slowPoison from './slow-poison.ts';
import sybil from './sybil.ts';
import sybilCopies from './sybil-copies.ts';
import targetedPoison from './targeted-poison.ts';
import wrongRoot from './wrong-root.ts';

export const BEHAVIOURS: readonly Behaviour[] = [
  copy,
  copyNoise,
  copyPermuted,
  copyScaled,
  copyMosaic,
  replay,
  randomTopK,
  signFlip,
  slowPoison,
  targetedPoison,
  launder,
  lazyHalf,
  lazyScaled,
  lazyData,
  sybil,
  sybilCopies,
  late,
  silent,
  huge,
  malformed,
  flooder,
  eclipse,
  wrongRoot,
];
