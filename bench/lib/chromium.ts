/**
 * A page in a headless Chromium for measuring: one module served from memory on 127.0.0.1, functions called by name.
 *
 * WebGPU needs a secure context, which `http://127.0.0.1` is. Big inputs and the module itself travel by HTTP.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Page } from 'playwright';
import { CHROMIUM_ARGS, chromiumPath } from '../../scripts/browsers.ts';

/** The runtime is not installed or has no usable GPU; `message` says what to do. */
export class RuntimeMissingError extends Error {
  static override readonly name = 'RuntimeMissingError';
  override readonly name = 'RuntimeMissingError';
}

const MAX_LINES = 2000;
/** Ends a browser that hangs, and measures nothing: a busy machine takes long to start one. */
const READY_MS = 10 * 60_000;

export interface ChromiumPage {
  /** The browser's version, e.g. "156.0.7000.1". */
  readonly version: string;
  /** Calls the module's `globalThis[name](argument)` in the page; argument and result are JSON. */
  call<T>(name: string, argument: unknown): Promise<T>;
  /**
   * Processor time of the browser's GPU process so far, in ms: on a CPU driver, the work done, whatever else the machine
   * runs. The page has it too, as `globalThis.gpuProcessMs()`.
   */
  gpuProcessMs(): Promise<number>;
  close(): Promise<void>;
}

export interface ChromiumOptions {
  /** The bundled module: assigns the functions to call to `globalThis`. */
  readonly module: string;
  /** Served at `/files/NAME`. */
  readonly files?: ReadonlyMap<string, Uint8Array>;
  /** Use the machine's GPU and not SwiftShader. */
  readonly hardware?: boolean;
  /** Lines the page logs. */
  readonly onLog?: (line: string) => void;
}

export async function openChromium(options: ChromiumOptions): Promise<ChromiumPage> {
  const executablePath = chromiumPath();
  if (executablePath === null) {
    throw new RuntimeMissingError(
      'Chromium is not installed: run "npm run setup", or point CHROMIUM at one.',
    );
  }
  const server = await serve(options);
  const software = '--use-webgpu-adapter=swiftshader';
  const browser = await chromium.launch({
    executablePath,
    timeout: READY_MS,
    headless: true,
    // Playwright would pick its headless shell, which has no WebGPU.
    ignoreDefaultArgs: ['--headless', '--headless=old'],
    args: [
      '--headless=new',
      // On a CPU driver a peer's single dispatch can take longer than the 10 s that the watchdog grants.
      '--disable-gpu-watchdog',
      ...(options.hardware
        ? ['--enable-features=Vulkan', '--use-angle=vulkan']
        : ['--enable-unsafe-swiftshader']),
      ...CHROMIUM_ARGS.filter((arg) => !(options.hardware && arg === software)),
    ],
  });
  const close = async () => {
    await browser.close();
    server.close();
    server.closeAllConnections();
  };
  try {
    const page = await browser.newPage();
    const system = await browser.newBrowserCDPSession();
    const gpuProcessMs = async () => {
      const { processInfo } = await system.send('SystemInfo.getProcessInfo');
      return 1000 * (processInfo.find(({ type }) => type === 'GPU')?.cpuTime ?? Number.NaN);
    };
    await page.exposeFunction('gpuProcessMs', gpuProcessMs);
    const failure = watch(page, options.onLog);
    const { port } = server.address() as AddressInfo;
    await page.goto(`http://127.0.0.1:${port}/`, { timeout: READY_MS });
    await Promise.race([
      page.waitForFunction('globalThis.ready === true', undefined, { timeout: READY_MS }),
      failure,
    ]);
    return {
      version: browser.version(),
      call: (name, argument) =>
        Promise.race([
          page.evaluate<never>(`globalThis[${JSON.stringify(name)}](${JSON.stringify(argument)})`),
          failure,
        ]),
      gpuProcessMs,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Rejects when the page's module throws or its process dies: a call would otherwise wait for ever. */
function watch(page: Page, onLog: ((line: string) => void) | undefined): Promise<never> {
  let logged = 0;
  // A driver in trouble repeats itself hundreds of times.
  if (onLog !== undefined) page.on('console', (message) => ++logged <= MAX_LINES && onLog(message.text()));
  const failure = new Promise<never>((_, reject) => {
    page.on('pageerror', (error) => reject(error));
    page.on('crash', () => reject(new Error('the page crashed (out of memory?)')));
  });
  failure.catch(() => undefined);
  return failure;
}

async function serve({ module, files }: ChromiumOptions) {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://127.0.0.1').pathname;
    // SharedArrayBuffer and finer timers (5 µs, not 100) need an isolated page.
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    response.setHeader('Cache-Control', 'no-store');
    const file = path.startsWith('/files/') ? files?.get(decodeURIComponent(path.slice(7))) : undefined;
    if (path === '/') {
      response.setHeader('Content-Type', 'text/html');
      response.end(
        '<!doctype html><title>bench</title><script type="module">import "/module.js"; globalThis.ready = true;</script>',
      );
    } else if (path === '/module.js') {
      response.setHeader('Content-Type', 'text/javascript');
      response.end(module);
    } else if (file !== undefined) {
      response.end(file);
    } else {
      response.statusCode = path === '/favicon.ico' ? 204 : 404;
      response.end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
