/** The check of one golden file on one runtime's GPU; the same code in a page, in Node and in Deno. */
import { type Gpu, openGpu } from '../../src/kernels/gpu.ts';
import { checkReference, type ReferenceFigure } from '../../src/training/reference-check.ts';
import { parseReferenceFile } from '../../src/training/reference-file.ts';

/** Opens a device (through `gpu`, default `navigator.gpu`), checks in f32, and in f16 where it has that, closes it. */
export async function checkFile(bytes: Uint8Array, gpu?: GPU): Promise<ReferenceFigure[]> {
  const file = parseReferenceFile(bytes);
  const opened: Gpu = await openGpu({ gpu });
  let lost = '';
  void opened.device.lost.then((info) => {
    if (info.reason !== 'destroyed') lost = info.message;
  });
  try {
    const figures = await checkReference(opened, file);
    if (opened.adapter.shaderF16) figures.push(...(await checkReference(opened, file, { dtype: 'f16' })));
    return figures;
  } catch (error) {
    throw lost === '' ? error : new Error(`the GPU device was lost: ${lost}`, { cause: error });
  } finally {
    opened.device.destroy();
  }
}
