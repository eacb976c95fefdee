/** Every code that can reach the page has words, and no sentence is empty. */
import { describe, expect, it } from 'vitest';
import type { ValidatorEvent } from '../gauntlet/events.ts';
import { note } from '../gauntlet/notes.ts';
import { REFUSAL_REASONS } from '../protocol/messages.ts';
import { problemText } from './strings/problems.ts';
import { seatLine, seatProblems, seatProblemText, seatWaitingText } from './strings/seat.ts';
import { handoverText, validatorLine } from './strings/validator-events.ts';
import { waitingText } from './strings/waiting.ts';
import { strings } from './strings.ts';
import * as certificate from './strings/certificate.ts';
import * as truth from './strings/truth.ts';
import * as validate from './strings/validate.ts';

/** Codes that the types list; a new one fails to compile in the strings, and here if it is given no text. */
const PROBLEM_CODES = Object.keys(strings.problems);

describe('strings', () => {
  it('explains every reason for which a submission can be refused', () => {
    for (const reason of [...REFUSAL_REASONS, 'no-certificate' as const, 'not-listed' as const]) {
      const { title, text } = strings.refusals[reason];
      expect(title.length, reason).toBeGreaterThan(3);
      expect(text, reason).toMatch(/^[A-Z].*\.$/s);
    }
    expect(Object.keys(strings.refusals)).toHaveLength(REFUSAL_REASONS.length + 2);
  });

  it('explains every problem', () => {
    expect(PROBLEM_CODES).toHaveLength(24);
    for (const [code, { title, text }] of [
      ...Object.entries(strings.problems),
      ...Object.entries(seatProblems),
    ]) {
      expect(title.length, code).toBeGreaterThan(10);
      expect(text, code).toMatch(/^[A-Z].*\.$/s);
    }
  });

  it('leaves no sentence empty', () => {
    const empty: string[] = [];
    const walk = (value: unknown, path: string): void => {
      if (typeof value === 'string' && value.trim() === '') empty.push(path);
      else if (typeof value === 'object' && value !== null)
        for (const [key, inner] of Object.entries(value)) walk(inner, `${path}.${key}`);
    };
    walk({ ...strings, ...truth, ...certificate, ...validate }, 'strings');
    expect(empty).toEqual([]);
  });

  it('uses singular and plural', () => {
    expect(truth.pathStrings.some(1)).toMatch(/^One peer /);
    expect(truth.pathStrings.some(2)).toMatch(/^2 peers /);
  });
});

describe('what is known of a problem', () => {
  const unreachable = {
    code: 'host-unreachable',
    recovering: true,
    why: 'unreachable',
    url: 'https://host.test',
    status: null,
  } as const;

  it('has its facts in it', () => {
    expect(problemText(unreachable)).toBe(
      'The host at https://host.test cannot be reached. This tab tries again.',
    );
    expect(problemText({ ...unreachable, recovering: false, why: 'status', status: 404 })).toBe(
      'The host answered 404 for https://host.test.',
    );
    expect(problemText({ code: 'protocol-version', recovering: false, ours: 3, theirs: 4 })).toMatch(/3.*4/);
    expect(
      problemText({
        code: 'adapter-too-small',
        recovering: false,
        misfit: { of: 'buffer', name: 'gradients', bytes: 512 * 2 ** 20, most: 256 * 2 ** 20 },
        batch: 4,
        sequence: 1024,
        largest: 'small',
      }),
    ).toBe(
      'The model (batch 4, sequence 1024) does not fit: its buffer “gradients” takes 512 MiB and this device allows 256 MiB a buffer. The largest preset that fits is “small”.',
    );
  });

  it('is nothing where title and advice say it all', () => {
    expect(problemText({ code: 'no-webgpu', recovering: false })).toBe('');
    expect(problemText({ code: 'no-validator', recovering: true })).toBe('');
  });

  it('is said of what is waited for too', () => {
    expect(waitingText({ why: 'trouble', trouble: unreachable })).toBe(problemText(unreachable));
    expect(seatWaitingText({ why: 'trouble', trouble: unreachable })).toBe(problemText(unreachable));
    expect(waitingText({ why: 'trouble', trouble: { code: 'no-validator', recovering: true } })).not.toBe('');
    expect(waitingText({ why: 'admission', inMs: 18_400 })).toContain('about 19 s');
    expect(waitingText({ why: 'admission', inMs: null })).toContain('in a few seconds');
  });
});

describe("a validator's tab", () => {
  it('says why it stopped, under the title that fits', () => {
    const stopped = seatProblemText({ code: 'refused', height: 7, why: 'fork' });
    expect(stopped).toMatchObject({ code: 'refused', detail: expect.stringContaining(handoverText('fork')) });
    const trouble = { code: 'protocol-version', recovering: false, ours: 3, theirs: 4 } as const;
    expect(seatProblemText({ code: 'trouble', trouble })).toMatchObject({ code: 'bad-run' });
    expect(seatProblemText({ code: 'no-key' })).toMatchObject({ code: 'no-key', detail: '' });
  });

  it('logs in lines', () => {
    const [one, two, three] = [1, 2, 3].map((n) => new Uint8Array([n]));
    const event: ValidatorEvent = {
      is: 'nothing-certified',
      round: 5,
      refused: [
        { contributor: one, reason: 'late' },
        { contributor: two, reason: 'copy' },
        { contributor: three, reason: 'late' },
      ],
      opinion: {
        kind: 'opinion',
        run: new Uint8Array(32),
        round: 5,
        height: 4,
        heldOutLoss: null,
        scores: [],
        refused: [{ contributor: one, note: note('late-commit', { ms: 12 }) }],
        audits: [],
      },
    };
    expect(validatorLine(event)).toBe(
      'round 5 · no certificate · 0 accepted, 3 refused (2 x late, copy; first: committed 12 ms after the deadline)',
    );
    expect(seatLine(event)).toBe(validatorLine(event));
    expect(seatLine({ is: 'audits-off', off: { why: 'not-wanted' } })).toBe(
      'audits are off: this tab was started without them. Submissions are judged without replays.',
    );
  });
});
