/** Pictures of an experiment as SVG: loss curves, or one mark a variant. One panel a corpus. */
import type { Summary } from './summary.ts';

const PANEL = { width: 400, gap: 20, top: 34, bottom: 40 } as const;
const COLOURS = ['#0969da', '#cf222e', '#1a7f37', '#8250df', '#bf8700', '#57606a', '#bc4c00', '#0a7ea4'];

const escapeText = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? c);

const label = (x: number, y: number, text: string, anchor = 'start', colour = '#1f2328'): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${colour}">${escapeText(text)}</text>`;

const line = (x1: number, y1: number, x2: number, y2: number, colour = '#d0d7de'): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${colour}"/>`;

/** Round steps that cut a range into about `count` parts. */
function ticks(low: number, high: number, count: number): number[] {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((m) => m * power >= raw) ?? 10) * power;
  const out: number[] = [];
  for (let t = Math.ceil(low / step) * step; t <= high + step * 1e-6; t += step)
    out.push(Number(t.toPrecision(10)));
  return out;
}

interface Scale {
  readonly low: number;
  readonly high: number;
  at(value: number): number;
}

function scale(values: readonly number[], from: number, to: number): Scale {
  const [min, max] = [Math.min(...values), Math.max(...values)];
  const margin = max > min ? 0.06 * (max - min) : 0.01 * Math.abs(max) || 1;
  const [low, high] = [min - margin, max + margin];
  return { low, high, at: (v) => from + ((v - low) / (high - low)) * (to - from) };
}

function svg(width: number, height: number, title: string, body: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12" role="img">`,
    `<title>${escapeText(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...body,
    '</svg>',
    '',
  ].join('\n');
}

/** Final loss of every variant: a dot for each seed, a bar at the mean. Lower is to the left. */
export function marks(title: string, summaries: readonly Summary[]): string {
  const corpora = [...new Set(summaries.map((s) => s.corpus))];
  const variants = [...new Set(summaries.map((s) => s.variant))];
  const names = 12 + 7 * Math.max(...variants.map((v) => v.length));
  const row = 22;
  const height = PANEL.top + row * variants.length + PANEL.bottom;
  const body = variants.map((v, i) => label(names - 8, PANEL.top + row * (i + 0.5) + 4, v, 'end'));
  corpora.forEach((corpus, p) => {
    const left = names + p * (PANEL.width + PANEL.gap);
    const own = summaries.filter((s) => s.corpus === corpus);
    const losses = own.flatMap((s) => s.results.flatMap(({ loss }) => (loss === null ? [] : [loss])));
    if (losses.length === 0) return;
    const x = scale(losses, left, left + PANEL.width);
    const floor = PANEL.top + row * variants.length;
    body.push(label(left, 20, corpus));
    for (const t of ticks(x.low, x.high, 5)) {
      body.push(line(x.at(t), PANEL.top, x.at(t), floor), label(x.at(t), floor + 16, String(t), 'middle'));
    }
    body.push(label(left + PANEL.width / 2, floor + 33, 'held-out loss, nats per byte', 'middle'));
    for (const s of own) {
      const y = PANEL.top + row * (variants.indexOf(s.variant) + 0.5);
      const colour = COLOURS[['sparseloco', 'diloco', 'adamw'].findIndex((m) => s.variant.startsWith(m))];
      for (const { loss } of s.results) {
        if (loss === null) body.push(label(left, y + 4, 'diverged', 'start', colour));
        else
          body.push(
            `<circle cx="${x.at(loss).toFixed(1)}" cy="${y}" r="4" fill="${colour}" fill-opacity="0.6"/>`,
          );
      }
      if (s.loss !== null && s.results.length > 1)
        body.push(line(x.at(s.loss), y - 8, x.at(s.loss), y + 8, colour));
    }
  });
  return svg(names + corpora.length * (PANEL.width + PANEL.gap), height, title, body);
}

/** Held-out loss against tokens, the mean over seeds; the first point of a run is after its first rounds. */
export function curves(title: string, summaries: readonly Summary[]): string {
  const corpora = [...new Set(summaries.map((s) => s.corpus))];
  const variants = [...new Set(summaries.map((s) => s.variant))];
  const plot = 260;
  const left0 = 50;
  const legend = 18 * variants.length;
  const body = variants.flatMap((v, i) => {
    const y = PANEL.top + plot + PANEL.bottom + 18 * i + 8;
    const colour = COLOURS[i % COLOURS.length];
    return [line(left0, y - 4, left0 + 24, y - 4, colour), label(left0 + 32, y, v)];
  });
  corpora.forEach((corpus, p) => {
    const left = left0 + p * (PANEL.width + 60);
    const own = summaries.filter((s) => s.corpus === corpus);
    const points = own.flatMap((s) => s.results.flatMap((r) => r.curve));
    if (points.length === 0) return;
    const tokens = points.map((q) => q.tokens);
    const x = scale([0, ...tokens], left, left + PANEL.width);
    const y = scale(
      points.map((q) => q.loss),
      PANEL.top + plot,
      PANEL.top,
    );
    body.push(label(left, 20, corpus));
    for (const t of ticks(y.low, y.high, 6))
      body.push(
        line(left, y.at(t), left + PANEL.width, y.at(t)),
        label(left - 6, y.at(t) + 4, String(t), 'end'),
      );
    for (const t of ticks(0, Math.max(...tokens), 5))
      body.push(label(x.at(t), PANEL.top + plot + 16, `${t / 1000}k`, 'middle'));
    body.push(label(left + PANEL.width / 2, PANEL.top + plot + 32, 'tokens', 'middle'));
    for (const s of own) {
      const rounds = [...new Set(s.results.flatMap((r) => r.curve.map((q) => q.round)))].sort(
        (a, b) => a - b,
      );
      const path = rounds.map((round) => {
        const at = s.results.flatMap((r) => r.curve.filter((q) => q.round === round));
        const loss = at.reduce((sum, q) => sum + q.loss, 0) / at.length;
        return `${x.at(at[0].tokens).toFixed(1)},${y.at(loss).toFixed(1)}`;
      });
      const colour = COLOURS[variants.indexOf(s.variant) % COLOURS.length];
      body.push(`<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    }
  });
  const width = left0 + corpora.length * (PANEL.width + 60);
  return svg(width, PANEL.top + plot + PANEL.bottom + legend + 10, title, body);
}
