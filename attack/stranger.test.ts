/** A stranger's file, written against the documented round, plays on whatever is beneath: every member, settle and route. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadBehaviour } from './behaviour.ts';
import { playRun, type RunOutcome } from './swarm.ts';
import { madeUpLab } from './testing.ts';
import type { RoundResult } from './view.ts';

const STRANGER = `
export const acted = [];
export const heard = [];
export const routed = [];
export default {
  name: 'stranger',
  summary: 'uses everything that a round offers',
  identities: (attackers) => attackers + 1,
  route(from, delivery) {
    routed.push([from.length, delivery.bytes.length, typeof delivery.at]);
    // Late, twice, and in an order of its own.
    return [{ at: delivery.at + 5, bytes: delivery.bytes }, delivery];
  },
  attacker: ({ index, count, identity, allies }) => ({
    async act(round) {
      const { batch, accumulation, sequence, maxInnerSteps } = round.manifest.training;
      const honest = await round.honest();
      const text = round.assigned(honest[index].contributor).next().value;
      acted.push({
        round: round.round,
        who: [index, count, identity.publicKey.length, round.isMember(identity.publicKey)],
        times: [round.startsAt < round.commitUntil, round.commitUntil < round.revealUntil],
        head: [round.head.round, round.head.root.length, round.head.hash.length],
        run: [round.runId.length, round.manifest.data.train.length, round.manifest.schedule.roundMs],
        honest: honest.map((work) => [work.contributor.length, work.bytes.length > 0, work.tokens, work.innerSteps]),
        certified: round.certified.length,
        heard: round.heard.length,
        text: [text.tokens.length, text.targets.length, round.shards.get(0).length],
        random: round.random(),
        trainer: round.trainer.inspect(honest[0].bytes, {
          run: round.runId, round: round.round, contributor: honest[0].contributor,
        }).ok && honest[0].bytes.length <= round.trainer.maxBytes,
        losses: (await round.trainer.evaluate(round.round, round.head)(honest[0])).unassigned.after.length,
        root: (await round.trainer.apply(round.head.root, [])).length,
      });
      allies.set('last', round.round);
      if (index === 1) return { say: [{ at: round.startsAt, bytes: new Uint8Array(9) }], serve: [new Uint8Array(5)] };
      const { bytes } = await round.train({ steps: 2 });
      const update = round.decode(bytes);
      if (update.starts.length !== round.layout.chunks + 1) throw new Error('another layout');
      return round.submit({
        bytes: round.encode(update),
        innerSteps: maxInnerSteps,
        tokens: maxInnerSteps * batch * accumulation * sequence,
      }, { commitAt: round.commitUntil - 400, revealAt: round.commitUntil + 50, baseRoot: round.head.root });
    },
    settle(result) {
      if (index === 0) heard.push(result);
    },
  }),
};
`;

const folder = mkdtempSync(join(tmpdir(), 'stranger-'));
const file = join(folder, 'stranger.mjs');
let seen: {
  acted: Record<string, unknown>[];
  heard: RoundResult[];
  routed: unknown[][];
};
let outcome: RunOutcome;
beforeAll(async () => {
  writeFileSync(file, STRANGER);
  const behaviour = await loadBehaviour(file);
  seen = (await import(pathToFileURL(file).href)) as typeof seen;
  outcome = await playRun({ lab: await madeUpLab(), honest: 4, attackers: 1, rounds: 4, behaviour });
});
afterAll(() => rmSync(folder, { recursive: true }));

test('it acts in each round in which it is a member, and sees the round', () => {
  // Two identities in three rounds; the first is thrown out for its lie before the last.
  expect(seen.acted).toHaveLength(5);
  expect(seen.acted[2]).toEqual({
    round: 2,
    who: [0, 2, 32, true],
    times: [true, true],
    head: [1, 32, 32],
    run: [32, 1, 30_000],
    honest: [8, 8, 6, 4].map((steps) => [32, true, 64 * steps, steps]),
    certified: 5,
    heard: expect.any(Number),
    text: [64, 64, 500],
    random: expect.any(Number),
    trainer: true,
    losses: 16,
    root: 32,
  });
  // A join, a commit and a reveal each and more, but none twice.
  expect(seen.acted[2]['heard']).toBeGreaterThan(14);
});

test('it hears how each round ended', () => {
  expect(seen.heard.map(({ round, certificate }) => [round, certificate?.kind])).toEqual(
    [0, 1, 2, 3].map((round) => [round, 'certificate']),
  );
  const [first, second] = seen.heard;
  expect(first.verdict.joined).toHaveLength(6);
  expect(second.verdict.accepted).toHaveLength(5);
  expect(second.verdict.accepted[0]).toMatchObject({
    contributor: expect.any(Uint8Array),
    submission: { hash: expect.any(Uint8Array), size: expect.any(Number) },
    tokens: expect.any(Number),
    innerSteps: expect.any(Number),
    weight: expect.any(Number),
  });
  expect(second.applied.every(({ bytes }) => bytes.byteLength > 0)).toBe(true);
  expect(second.unopened).toBe(1);
  const refused = seen.heard.flatMap(({ verdict }) => verdict.refused);
  for (const { reason, detail } of refused)
    expect([typeof reason, typeof detail]).toEqual(['string', 'string']);
  const audits = seen.heard.flatMap(({ verdict }) => verdict.audits);
  expect(audits.some((audit) => audit.outcome === 'failed' && audit.detail.includes('replayed'))).toBe(true);
});

test('it has its hands on honest messages, which changes nothing here', () => {
  expect(seen.routed.length).toBeGreaterThan(20);
  expect(new Set(seen.routed.map(([key, , at]) => `${String(key)} ${String(at)}`))).toEqual(
    new Set(['32 number']),
  );
  expect(Object.fromEntries(outcome.honestRefused)).toEqual({});
  expect(outcome.roundsLost).toBe(0);
});

test('the example of the documentation plays, and earns nothing', async () => {
  const docs = readFileSync(new URL('../docs/threat-model.md', import.meta.url), 'utf8');
  const example = join(folder, 'shrink.mjs');
  writeFileSync(example, /```js\n([^]*?)```/.exec(docs)?.[1] ?? '');
  const behaviour = await loadBehaviour(example);
  const played = await playRun({ lab: await madeUpLab(), honest: 4, attackers: 1, rounds: 4, behaviour });
  expect(Object.fromEntries(played.honestRefused)).toEqual({});
  expect(played.attackerCredits).toEqual([0]);
  expect(played.attackerOutcomes.get('accepted') ?? 0).toBe(0);
});
