/** The certificate and the key of `--cert` and `--key`: looked at before they are used, so that an error says which and why. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { messageOf } from '../protocol/errors.ts';
import { UsageError } from './arguments.ts';
import { readSmallFile, textOf } from './read-file.ts';
import { complaints, type TlsProblem } from './say.ts';

/** PEM texts that belong together. Throws {@link UsageError}. */
export function readTls(certPath: string, keyPath: string): { readonly cert: string; readonly key: string } {
  const cert = pem('--cert', certPath);
  const key = pem('--key', keyPath);
  const complain = (name: '--cert' | '--key', path: string, problem: TlsProblem, detail = ''): UsageError =>
    new UsageError(complaints.tlsFile(name, path, problem, detail));
  if (!/-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----/.test(cert))
    throw complain('--cert', certPath, cert.includes('PRIVATE KEY-----') ? 'is-key' : 'no-certificate');
  if (!key.includes('PRIVATE KEY-----'))
    throw complain('--key', keyPath, key.includes('CERTIFICATE-----') ? 'is-certificate' : 'no-key');
  if (key.includes('BEGIN ENCRYPTED PRIVATE KEY') || /^Proc-Type: 4,ENCRYPTED/m.test(key))
    throw complain('--key', keyPath, 'passphrase');
  let first: X509Certificate;
  try {
    first = new X509Certificate(cert);
  } catch (error) {
    throw complain('--cert', certPath, 'damaged', messageOf(error));
  }
  let secret: KeyObject;
  try {
    secret = createPrivateKey(key);
  } catch (error) {
    throw complain('--key', keyPath, 'damaged', messageOf(error));
  }
  if (!first.checkPrivateKey(secret)) throw complain('--key', keyPath, 'other-key');
  if (Date.now() > Date.parse(first.validTo)) throw complain('--cert', certPath, 'expired', first.validTo);
  return { cert, key };
}

function pem(name: '--cert' | '--key', path: string): string {
  const bytes = readSmallFile(name, path);
  if (bytes.length === 0) throw new UsageError(complaints.emptyFile(name, path));
  // DER and PKCS#12 begin with a SEQUENCE.
  if (bytes[0] === 0x30 && !bytes.includes('-----BEGIN'))
    throw new UsageError(complaints.tlsFile(name, path, 'der', ''));
  return textOf(name, path, bytes);
}
