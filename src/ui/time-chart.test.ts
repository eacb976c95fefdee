/** Labels of a time axis can be told apart: by seconds, by minutes, by days. */
import { expect, test } from 'vitest';
import { timeLabels } from './time-chart.tsx';

const at = (day: number, hour: number, minute = 0, second = 0): number =>
  new Date(2026, 10, day, hour, minute, second).getTime() / 1000;

test('ticks closer than a minute have their seconds', () => {
  expect(timeLabels([at(3, 8, 0, 0), at(3, 8, 0, 30)], 30)).toEqual(['08:00:00', '08:00:30']);
  expect(timeLabels([at(3, 8), at(3, 8, 5)], 300)).toEqual(['08:00', '08:05']);
});

test('a further day says so at its first tick, and a week shows days', () => {
  expect(timeLabels([at(3, 20), at(4, 0), at(4, 4)], 14_400)).toEqual(['20:00', '4 Nov', '04:00']);
  expect(timeLabels([at(3, 0), at(4, 0)], 86_400)).toEqual(['3 Nov', '4 Nov']);
});
