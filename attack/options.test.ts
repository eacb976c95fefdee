/** The command line: defaults, seeds, and what is said of what it cannot do. */
import { expect, test } from 'vitest';
import { BEHAVIOURS } from './behaviours/index.ts';
import { optionsFrom } from './options.ts';

test('without arguments: all attacks, three dishonest peers in ten, one seed', async () => {
  const options = await optionsFrom([]);
  expect(options).toMatchObject({
    honest: 14,
    attackers: 6,
    audits: 4,
    trialFrom: 6,
    seeds: [1],
    ranking: false,
  });
  expect(options.behaviours).toBe(BEHAVIOURS);
});

test('names, seeds and rules', async () => {
  const options = await optionsFrom([
    'sybil',
    'copy',
    '--seeds',
    '3,1',
    '--audits',
    '0',
    '--trial-from',
    '64',
  ]);
  expect(options.behaviours.map(({ name }) => name)).toEqual(['sybil', 'copy']);
  expect(options).toMatchObject({ seeds: [3, 1], audits: 0, trialFrom: 64 });
  expect((await optionsFrom(['ranking', '--seed', '7'])).seeds).toEqual([7]);
});

test.each([
  [['nothing'], /no attack "nothing"/],
  [['--share', '0'], /nobody on one side/],
  [['--peers', '2.5'], /--peers is a whole number from 2 to 64/],
  [['--trial-from', '0'], /--trial-from is a whole number from 1/],
  [['--seed', '1', '--seeds', '2'], /not both/],
  [['--seed', '1,2'], /--seeds takes several/],
  [['--seeds', '1,,2'], /--seeds is a whole number/],
  [['--seeds', '1,1'], /twice/],
  [['ranking', '--seeds', '1,2'], /one --seed/],
])('%j', async (argv, message) => {
  await expect(optionsFrom(argv)).rejects.toThrow(message);
});
