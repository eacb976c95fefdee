/**
 * The model in use on a real host: a watching tab loads the certified checkpoint into onnxruntime-web, says which state
 * it is, and continues texts; what it writes is what the same state writes elsewhere.
 */
import { mkdirSync } from 'node:fs';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import * as ort from 'onnxruntime-web';
import { fetchRun } from '../src/peer/fetch-run.ts';
import { HostClient } from '../src/peer/host-client.ts';
import { fromHex, toHex } from '../src/protocol/bytes.ts';
import { systemClock } from '../src/protocol/timer.ts';
import { Chat } from '../src/worker/chat.ts';
import { type RunningHost, startHost } from './support/host.ts';
import { openTab, type Tab, until } from './support/tab.ts';

const PROMPT = 'The people of the United States';
const TOKENS = 40;
const SHOTS = 'artifacts/screenshots';

test.describe.configure({ mode: 'serial' });

let host: RunningHost;
let tab: Tab;

test.beforeAll(async ({ browser }) => {
  mkdirSync(SHOTS, { recursive: true });
  host = await startHost(['--preset', 'tiny']);
  tab = await openTab(browser, host.url, 'wanda');
});

test.afterAll(async () => {
  await tab?.close();
  await host?.stop();
});

/** The same in Node: checkpoint and tokenizer from the host, root checked, greedy text. */
async function elsewhere(): Promise<{ root: string; text: string }> {
  const client = new HostClient(host.url, systemClock());
  const { manifest } = (await fetchRun(client)).run;
  const { checkpoint } = await client.head();
  expect(checkpoint.height).toBe(0);
  const chat = new Chat(async () => ({ ort, threads: 1 }));
  const { root } = await chat.open({
    model: manifest.model,
    context: manifest.task.training.sequence,
    fractionBits: manifest.sparseloco.fractionBits,
    state: {
      kind: 'checkpoint',
      bytes: await client.blob({ hash: fromHex(checkpoint.hash), size: checkpoint.size }),
    },
    tokenizer: await client.blob(manifest.tokenizer),
    backend: 'wasm',
    certified: [toHex(manifest.genesis.root)],
  });
  const sampling = { temperature: 0, topP: 1 };
  const { text } = await chat.generate({ prompt: PROMPT, sampling, maxTokens: TOKENS, seed: '' }, () => {});
  await chat.close();
  return { root, text };
}

test('nothing of it is fetched before it is asked for, by a person', async () => {
  const { page } = tab;
  const fetched: string[] = [];
  page.on('request', (request) => fetched.push(request.url()));
  await page.getByRole('button', { name: 'Just watch' }).click();
  const chat = page.getByTestId('chat');
  const load = chat.getByRole('button', { name: 'Load the model' });
  await load.evaluate((button: HTMLButtonElement) => button.click());
  await until(
    'a host connection',
    () => tab.state(),
    (s) => s.host === 'connected',
  );
  await expect(chat).toHaveAttribute('data-status', 'off');
  expect(fetched.filter((url) => /ort|\.wasm|chat/.test(url))).toEqual([]);
  // A software adapter is no reason to leave the processor.
  await expect(chat.getByRole('radio', { name: 'Processor' })).toBeChecked();
  await load.click();
  await expect(chat).toHaveAttribute('data-status', 'ready');
});

test('the text is that of the same certified state elsewhere, and says which state that is', async () => {
  const { page } = tab;
  const chat = page.getByTestId('chat');
  const expected = await elsewhere();
  await expect(chat.getByTestId('chat-state')).toHaveAttribute('data-root', expected.root);
  await chat.getByLabel('Your text').fill(PROMPT);
  await chat.getByLabel('Length').selectOption(String(TOKENS));
  await chat.getByRole('button', { name: 'Continue the text' }).click();
  const first = chat.getByTestId('chat-text').first();
  await expect(first).toHaveAttribute('data-ended', /end|length/);
  expect(await first.getByTestId('chat-continuation').textContent()).toBe(expected.text);
  await expect(first).toHaveAttribute('data-root', expected.root);
});

test('a text can be stopped, drawn at random, and the model unloaded', async () => {
  const { page } = tab;
  const chat = page.getByTestId('chat');
  const write = chat.getByRole('button', { name: 'Continue the text' });
  const first = chat.getByTestId('chat-text').first();
  await chat.getByLabel('Length').selectOption('320');
  // Pressed within the page as soon as it can be: a test's click may come when the text is written. So may this one.
  const stop = chat.getByRole('button', { name: 'Stop writing' });
  await expect(async () => {
    await stop.evaluate((button: HTMLButtonElement) => {
      new MutationObserver((_, observer) => {
        if (button.disabled) return;
        observer.disconnect();
        button.click();
      }).observe(button, { attributes: true });
    });
    const texts = await chat.getByTestId('chat-text').count();
    await write.click();
    await expect(chat.getByTestId('chat-text')).toHaveCount(texts + 1);
    await expect(first).toHaveAttribute('data-ended', /stopped|end|length/);
    await expect(first).toHaveAttribute('data-ended', 'stopped', { timeout: 1 });
  }).toPass();
  await chat.getByLabel('Choose words').selectOption('sampled');
  await chat.getByLabel('Temperature').fill('1.2');
  await write.click();
  await expect(first).toHaveAttribute('data-ended', /end|length/);
  await expect(first).toContainText('temperature 1.2');
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 900 });
      await chat.screenshot({ path: `${SHOTS}/chat-${colorScheme}-${width}.png` });
    }
    const { violations } = await new AxeBuilder({ page }).include('[data-testid=chat]').analyze();
    expect(violations.map((v) => v.id)).toEqual([]);
  }
  await chat.getByRole('button', { name: 'Unload' }).click();
  await expect(chat).toHaveAttribute('data-status', 'off');
  await expect.poll(() => page.workers().length).toBe(0);
  expect(tab.errors).toEqual([]);
});
