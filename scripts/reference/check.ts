/** The check of one golden file on one runtime's GPU; the same code in a page, in Node and in Deno. */
import { type Gpu, openGpu } from '../../src/kernels/gpu.ts';
import { checkReference, type ReferenceFigure } from '../../src/training/reference-check.ts';
import { parseReferenceFile } from '../../src/training/reference-file.ts';

/** Opens a device (through `gpu`, default `navigator.gpu`), checks, closes it. */
export async function checkFile(bytes: Uint8Array, gpu?: GPU): Promise<ReferenceFigure[]> {
  const file = parseReferenceFile(bytes);
  const opened: Gpu = await openGpu({ gpu });
  let lost = '';
  void opened.device.lost.then((info) => {
    if (info.reason !== 'destroyed') lost = info.message;
  });
  try {
    return await checkReference(opened, file);
  } catch (error) {
    throw lost === '' ? error : new Error(`the GPU device was lost: ${lost}`, { cause: error });
  } finally {
    opened.device.destroy();
  }
}
