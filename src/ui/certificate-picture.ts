/** Draws a contribution certificate: 1200 x 630 pixels, the size that chats and forums show whole. */
import type { ContributionDraft } from '../app/contributions.ts';
import * as format from './format.ts';
import { certificateStrings } from './strings/certificate.ts';

const t = certificateStrings.picture;
export const WIDTH = 1200;
export const HEIGHT = 630;
const MARGIN = 72;
/** Text keeps clear of the emblem. */
const TEXT_WIDTH = 660;

/** The instrument panel's colours (styles/tokens.css): a picture is the same in dark and light. */
const INK = '#eaf4ef';
const SOFT = '#a9c4ba';
const LINE = '#2c5348';
const ACCENT = '#8fe3c8';
const PANEL = '#0d2b25';
const RAISED = '#15392f';
const WARM = '#f4b27c';

type Shown = Omit<ContributionDraft, 'finish'>;

/** The PNG file. `address`: where it can be checked, without its protocol. Throws Error when the browser has no canvas. */
export async function drawCertificate(draft: Shown, address: string): Promise<Uint8Array<ArrayBuffer>> {
  const canvas = document.createElement('canvas');
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const pen = canvas.getContext('2d');
  if (pen === null) throw new Error('this browser offers no canvas');
  const style = getComputedStyle(document.documentElement);
  const fonts = {
    text: style.getPropertyValue('--font').trim(),
    mono: style.getPropertyValue('--mono').trim(),
  };
  paper(pen);
  emblem(pen, draft);
  words(pen, draft, address, fonts);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (blob === null) throw new Error('this browser could not write a PNG file');
  return new Uint8Array(await blob.arrayBuffer());
}

function paper(pen: CanvasRenderingContext2D): void {
  pen.fillStyle = PANEL;
  pen.fillRect(0, 0, WIDTH, HEIGHT);
  pen.strokeStyle = LINE;
  pen.lineWidth = 2;
  pen.strokeRect(24, 24, WIDTH - 48, HEIGHT - 48);
  pen.fillStyle = RAISED;
  pen.fillRect(25, HEIGHT - 25 - 68, WIDTH - 50, 68);
}

/** Two rays a byte of the key around the ring of a round: every key has its own. */
function emblem(pen: CanvasRenderingContext2D, { contributor, accepted }: Shown): void {
  const x = 946;
  const y = 262;
  const nibbles = Array.from(contributor, (digit) => Number.parseInt(digit, 16));
  pen.lineCap = 'round';
  nibbles.forEach((value, i) => {
    const angle = (i / nibbles.length) * 2 * Math.PI - Math.PI / 2;
    const from = 112;
    const to = from + 10 + 4.6 * value;
    pen.strokeStyle = i % 2 === 0 ? ACCENT : WARM;
    pen.globalAlpha = 0.35 + value / 24;
    pen.lineWidth = 5;
    pen.beginPath();
    pen.moveTo(x + from * Math.cos(angle), y + from * Math.sin(angle));
    pen.lineTo(x + to * Math.cos(angle), y + to * Math.sin(angle));
    pen.stroke();
  });
  pen.globalAlpha = 1;
  pen.strokeStyle = ACCENT;
  pen.lineWidth = 6;
  pen.beginPath();
  pen.arc(x, y, 96, 0, 2 * Math.PI);
  pen.stroke();
  const family = getComputedStyle(document.documentElement).getPropertyValue('--font').trim();
  pen.textAlign = 'center';
  fitted(pen, format.compact(accepted), x, y + 12, 150, { weight: 700, size: 56, family, colour: INK });
  fitted(pen, t.accepted, x, y + 42, 150, { weight: 400, size: 17, family, colour: SOFT });
  pen.textAlign = 'left';
}

function words(
  pen: CanvasRenderingContext2D,
  draft: Shown,
  address: string,
  fonts: { readonly text: string; readonly mono: string },
): void {
  const family = fonts.text;
  const line = (text: string, y: number, size: number, weight: number, colour: string) =>
    fitted(pen, text, MARGIN, y, TEXT_WIDTH, { weight, size, family, colour });
  line('Tabswarm', 92, 30, 700, ACCENT);
  line(t.title, 128, 22, 400, SOFT);
  line(t.to, 196, 20, 400, SOFT);
  line(draft.name === '' ? t.anonymous : draft.name, 250, 54, 700, INK);
  line(draft.team === '' ? t.for(draft.runName, draft.organizer) : t.team(draft.team), 288, 24, 400, SOFT);
  if (draft.team !== '') line(t.for(draft.runName, draft.organizer), 320, 22, 400, SOFT);
  pen.strokeStyle = LINE;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.moveTo(MARGIN, 352);
  pen.lineTo(MARGIN + TEXT_WIDTH, 352);
  pen.stroke();
  const columns = [
    [
      format.credits(draft.credits),
      t.credits(draft.pending > 0 ? format.credits(draft.pending) : null),
      ACCENT,
    ],
    [format.compact(draft.units), t.tokens, INK],
  ] as const;
  columns.forEach(([value, term, colour], i) => {
    const x = MARGIN + i * 330;
    fitted(pen, value, x, 430, 300, { weight: 700, size: 64, family, colour });
    fitted(pen, term, x, 464, 300, { weight: 400, size: 20, family, colour: SOFT });
  });
  const span = t.rounds(format.count(draft.firstRound), format.count(draft.lastRound));
  const date = format.day(draft.time);
  line(`${span}, ${t.asOf(format.count(draft.height), date)}`, 508, 18, 400, SOFT);
  fitted(pen, t.check(address), MARGIN, HEIGHT - 52, 520, { weight: 600, size: 20, family, colour: INK });
  pen.textAlign = 'right';
  const key = (draft.contributor.slice(0, 32).match(/.{8}/g) ?? []).join(' ');
  const mono = { weight: 400, size: 17, family: fonts.mono, colour: SOFT };
  fitted(pen, t.key(key), WIDTH - MARGIN, HEIGHT - 52, 480, mono);
  pen.textAlign = 'left';
}

interface Type {
  readonly weight: number;
  readonly size: number;
  readonly family: string;
  readonly colour: string;
}

/** Smaller down to half the size, then cut: a name may be as wide as it likes. */
function fitted(
  pen: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  width: number,
  { weight, size, family, colour }: Type,
): void {
  pen.fillStyle = colour;
  const fits = (words: string) => pen.measureText(words).width <= width;
  for (let step = size; step >= size / 2; step--) {
    pen.font = `${weight} ${step}px ${family}`;
    if (fits(text)) break;
  }
  let shown = text;
  let letters = Array.from(text);
  while (letters.length > 1 && !fits(shown)) {
    letters = letters.slice(0, -1);
    shown = `${letters.join('').trimEnd()}…`;
  }
  pen.fillText(shown, x, y);
}
