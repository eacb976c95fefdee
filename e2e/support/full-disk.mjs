/**
 * Loaded into a host before it starts: as long as the file named by TABSWARM_E2E_FULL_DISK exists, no file takes any more bytes, as on
 * a full disk.
 */
import { existsSync } from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const flag = process.env.TABSWARM_E2E_FULL_DISK ?? '';
const { open } = promises;
promises.open = async (...args) => {
  const file = await open(...args);
  const write = file.writeFile.bind(file);
  file.writeFile = async (...data) => {
    if (existsSync(flag))
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    return write(...data);
  };
  return file;
};
syncBuiltinESMExports();
