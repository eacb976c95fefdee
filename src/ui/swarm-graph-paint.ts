/** Paints the swarm's graph on a canvas. Pure drawing: colours and positions come in, pixels go out. */
import type { GraphEdge, GraphNode, SwarmGraphModel } from './swarm-graph-model.ts';
import { graphStrings as t } from './strings/truth.ts';

export interface Paint {
  readonly pen: CanvasRenderingContext2D;
  /** CSS pixels. */
  readonly width: number;
  readonly height: number;
  readonly colour: (name: string) => string;
  readonly font: string;
  /** Seconds, for the dots; null when nothing may move. */
  readonly time: number | null;
}

interface Place {
  readonly x: number;
  readonly y: number;
}

/** Space around the disc for names. */
const PAD_X = 62;
const PAD_Y = 26;
/** Names only while they do not overlap. */
const MAX_LABELS = 16;
const DOT_SPEED = 0.22;

export function paintGraph({ nodes, edges }: SwarmGraphModel, paint: Paint): void {
  const { pen, width, height } = paint;
  const places = new Map(
    nodes.map(({ id, x, y }) => [
      id,
      { x: width / 2 + x * (width / 2 - PAD_X), y: height / 2 + y * (height / 2 - PAD_Y) },
    ]),
  );
  pen.clearRect(0, 0, width, height);
  // A crowd is drawn finer, or it would be one blot.
  const fine = {
    node: Math.min(1, Math.max(0.5, Math.sqrt(16 / nodes.length))),
    line: Math.min(1, 40 / edges.length),
  };
  // Own links last, on top of what others told.
  const ordered = [...edges].sort((a, b) => Number(a.own) - Number(b.own));
  for (const [i, edge] of ordered.entries()) {
    const from = places.get(edge.from);
    const to = places.get(edge.to);
    if (from === undefined || to === undefined) continue;
    paintEdge(edge, from, to, edge.own ? 1 : fine.line, (i * 0.381966) % 1, paint);
  }
  const labels = nodes.length <= MAX_LABELS;
  for (const node of nodes) {
    const place = places.get(node.id);
    if (place !== undefined) paintNode(node, place, labels, fine.node, paint);
  }
}

/** 0 for nothing, 1 for a few megabytes a second. */
const strength = (rate: number): number => Math.min(1, Math.max(0, Math.log10(1 + rate) / 6.5));

/** `line`: 1 or less, for what stays in the background; `phase`: where on the line the first dot starts. */
function paintEdge(
  { path, rate, own }: GraphEdge,
  from: Place,
  to: Place,
  line: number,
  phase: number,
  paint: Paint,
): void {
  const { pen, colour, time } = paint;
  const force = strength(rate);
  pen.strokeStyle = path === 'relayed' ? colour('--warm') : own ? colour('--accent') : colour('--control');
  pen.globalAlpha = own ? 0.45 + 0.4 * force : line * (0.25 + 0.35 * force);
  pen.lineWidth = (own ? 1.25 : 0.75) + (own ? 2.5 : 1.25) * force;
  pen.setLineDash(path === 'relayed' ? [5, 5] : []);
  pen.beginPath();
  pen.moveTo(from.x, from.y);
  pen.lineTo(to.x, to.y);
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = own ? 1 : 0.4 + 0.6 * line;
  const dots = rate < 1 || time === null ? 0 : Math.ceil(3 * force);
  pen.fillStyle = pen.strokeStyle;
  for (let i = 0; i < dots; i++) {
    // Both directions: the rate counts them together.
    const forth = ((time ?? 0) * DOT_SPEED + phase + i / dots) % 1;
    const at = i % 2 === 0 ? forth : 1 - forth;
    pen.beginPath();
    pen.arc(from.x + (to.x - from.x) * at, from.y + (to.y - from.y) * at, own ? 2.75 : 1.75, 0, 2 * Math.PI);
    pen.fill();
  }
  pen.globalAlpha = 1;
}

function paintNode(
  { kind, idle, label, y }: GraphNode,
  at: Place,
  labels: boolean,
  scale: number,
  paint: Paint,
): void {
  const { pen, colour, font } = paint;
  const size = kind === 'me' ? 11 : scale * (kind === 'heard' ? 5 : 8);
  pen.fillStyle =
    idle && kind !== 'me' ? colour('--paper') : kind === 'heard' ? colour('--control') : colour('--accent');
  pen.strokeStyle = kind === 'heard' ? colour('--control') : colour('--accent');
  pen.lineWidth = 2;
  pen.beginPath();
  if (kind === 'host') pen.rect(at.x - size, at.y - size, 2 * size, 2 * size);
  else pen.arc(at.x, at.y, size, 0, 2 * Math.PI);
  pen.fill();
  pen.stroke();
  const text = kind === 'me' ? t.you : kind === 'host' ? t.host : label;
  if (!labels && kind !== 'me' && kind !== 'host') return;
  pen.font = `${kind === 'me' ? 650 : 400} 12px ${font}`;
  pen.textAlign = 'center';
  // Away from the middle, where the lines are.
  const below = kind === 'me' || y >= 0;
  const baseline = at.y + (below ? size + 14 : -size - 6);
  pen.lineWidth = 4;
  pen.lineJoin = 'round';
  pen.strokeStyle = colour('--paper');
  const shown = shortened(pen, text);
  pen.strokeText(shown, at.x, baseline);
  pen.fillStyle = kind === 'heard' ? colour('--ink-2') : colour('--ink');
  pen.fillText(shown, at.x, baseline);
}

function shortened(pen: CanvasRenderingContext2D, text: string): string {
  let letters = Array.from(text);
  let shown = text;
  while (letters.length > 1 && pen.measureText(shown).width > 1.9 * PAD_X) {
    letters = letters.slice(0, -1);
    shown = `${letters.join('')}…`;
  }
  return shown;
}
