/** Every code that can reach the page has words, and no sentence is empty. */
import { describe, expect, it } from 'vitest';
import { REFUSAL_REASONS } from '../protocol/messages.ts';
import { strings } from './strings.ts';
import * as certificate from './strings/certificate.ts';
import * as truth from './strings/truth.ts';
import * as validate from './strings/validate.ts';

/** Codes that the type lists; a new one fails to compile in strings.ts, and here if it is given no text. */
const PROBLEM_CODES = Object.keys(strings.problems);

describe('strings', () => {
  it('explains every reason for which a submission can be refused', () => {
    for (const reason of [...REFUSAL_REASONS, 'no-certificate' as const]) {
      const { title, text } = strings.refusals[reason];
      expect(title.length, reason).toBeGreaterThan(3);
      expect(text, reason).toMatch(/^[A-Z].*\.$/s);
    }
    expect(Object.keys(strings.refusals)).toHaveLength(REFUSAL_REASONS.length + 1);
  });

  it('explains every problem', () => {
    expect(PROBLEM_CODES).toHaveLength(13);
    for (const code of PROBLEM_CODES) {
      const { title, text } = strings.problems[code as keyof typeof strings.problems];
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
