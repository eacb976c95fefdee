/** GPU buffers that are made from data or by size. */
import { COPY_DST, COPY_SRC, STORAGE, UNIFORM } from './program.ts';

/** A storage buffer of at least 16 zeroed bytes. */
export const storageBuffer = (device: GPUDevice, bytes: number, label: string): GPUBuffer =>
  device.createBuffer({ label, size: Math.max(16, bytes), usage: STORAGE | COPY_DST | COPY_SRC });

/** A storage buffer holding `data`, its length rounded up to whole words, at least 16 bytes. */
export const uploadBuffer = (device: GPUDevice, data: ArrayBufferView, label: string): GPUBuffer =>
  filled(device, data, label, STORAGE | COPY_DST | COPY_SRC);

/** A uniform buffer holding `data`, its length rounded up to 16 bytes. */
export const uniformBuffer = (device: GPUDevice, data: ArrayBufferView, label: string): GPUBuffer =>
  filled(device, data, label, UNIFORM);

function filled(device: GPUDevice, data: ArrayBufferView, label: string, usage: number): GPUBuffer {
  const unit = usage === UNIFORM ? 16 : 4;
  const size = Math.max(16, Math.ceil(data.byteLength / unit) * unit);
  const buffer = device.createBuffer({ label, size, usage, mappedAtCreation: true });
  new Uint8Array(buffer.getMappedRange()).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  buffer.unmap();
  return buffer;
}
