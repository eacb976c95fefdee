/**
 * The swarm as a live graph: who is linked to whom by which path, and what flows. A canvas painted a few times a second
 * while it can be seen; without motion where that is asked for; the same as a table.
 */
import { useEffect, useRef, useState } from 'react';
import { useApp, useViewStore } from './context.tsx';
import * as format from './format.ts';
import { strings } from './strings.ts';
import { graphStrings as t } from './strings/truth.ts';
import { type GraphNode, swarmGraph, type SwarmGraphModel } from './swarm-graph-model.ts';
import { paintGraph } from './swarm-graph-paint.ts';
import { Cell, HeadCell, Row, Table } from './table.tsx';

/** Dots that creep are smooth enough at this rate, and a painting takes about a millisecond. */
const FRAME_MS = 80;
const STILL_FRAME_MS = 1000;
const MAX_ROWS = 100;

export function SwarmGraph() {
  const alone = useApp((s) => s.members.length === 0 && s.links.every(({ path }) => path === 'host'));
  return (
    <section className="block swarm-graph" aria-labelledby="graph-heading" data-testid="swarm-graph">
      <h2 id="graph-heading">{t.heading}</h2>
      <Painting />
      <p className="graph-key" aria-hidden="true">
        {(['me', 'linked', 'heard', 'host'] as const).map((kind) => (
          <span key={kind} className={`graph-key-${kind}`}>
            {t.key[kind]}
          </span>
        ))}
      </p>
      <p className="hint">{alone ? t.alone : t.hint}</p>
      <Links />
    </section>
  );
}

function summary({ nodes, edges }: SwarmGraphModel): string {
  const own = edges.filter((edge) => edge.own);
  const by = (path: string) => format.count(own.filter((edge) => edge.path === path).length);
  return t.summary(format.count(nodes.length - 1), format.count(edges.length), by('direct'), by('relayed'));
}

function Painting() {
  const store = useViewStore();
  const ref = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const canvas = ref.current;
    const pen = canvas?.getContext('2d') ?? null;
    if (canvas === null || pen === null) return;
    const still = matchMedia('(prefers-reduced-motion: reduce)');
    const schemes = ['(prefers-color-scheme: dark)', '(forced-colors: active)'].map((query) =>
      matchMedia(query),
    );
    let visible = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let inputs: readonly unknown[] = [];
    let model: SwarmGraphModel = { nodes: [], edges: [] };
    let colours = new Map<string, string>();

    const colour = (name: string): string => {
      let value = colours.get(name);
      if (value === undefined) {
        value = getComputedStyle(canvas).getPropertyValue(name).trim();
        colours.set(name, value);
      }
      return value;
    };
    /** The words are kept true also while nobody looks at the canvas. */
    const learn = () => {
      const { peerId, links, members } = store.getState();
      if (inputs[0] === peerId && inputs[1] === links && inputs[2] === members) return;
      inputs = [peerId, links, members];
      model = swarmGraph({ peerId, links, members });
      canvas.setAttribute('aria-label', summary(model));
    };
    const paint = () => {
      const { width, height } = canvas.getBoundingClientRect();
      const scale = devicePixelRatio;
      if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
        canvas.width = Math.round(width * scale);
        canvas.height = Math.round(height * scale);
      }
      pen.setTransform(scale, 0, 0, scale, 0, 0);
      const time = still.matches ? null : performance.now() / 1000;
      paintGraph(model, { pen, width, height, colour, font: colour('--font'), time });
    };
    const tick = () => {
      clearTimeout(timer);
      if (!visible || document.hidden) return;
      paint();
      timer = setTimeout(tick, still.matches ? STILL_FRAME_MS : FRAME_MS);
    };
    const recolour = () => {
      colours = new Map();
      paint();
    };
    const seen = new IntersectionObserver(([entry]) => {
      visible = entry?.isIntersecting ?? false;
      tick();
    });
    learn();
    const release = store.subscribe(learn);
    // Also paints for the first time. A canvas whose element changes size is stretched until it is painted anew.
    const resized = new ResizeObserver(paint);
    resized.observe(canvas);
    seen.observe(canvas);
    for (const scheme of schemes) scheme.addEventListener('change', recolour);
    still.addEventListener('change', tick);
    document.addEventListener('visibilitychange', tick);
    return () => {
      release();
      clearTimeout(timer);
      seen.disconnect();
      resized.disconnect();
      for (const scheme of schemes) scheme.removeEventListener('change', recolour);
      still.removeEventListener('change', tick);
      document.removeEventListener('visibilitychange', tick);
    };
  }, [store]);
  // oxlint-disable-next-line jsx-a11y/prefer-tag-over-role -- a canvas is no img element
  return <canvas ref={ref} className="graph-canvas" role="img" aria-label={t.heading} />;
}

function Links() {
  const [open, setOpen] = useState(false);
  return (
    <details className="numbers" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t.table}</summary>
      {open && <LinkTable />}
    </details>
  );
}

function LinkTable() {
  const peerId = useApp((s) => s.peerId);
  const links = useApp((s) => s.links);
  const members = useApp((s) => s.members);
  const { nodes, edges } = swarmGraph({ peerId, links, members });
  const byId = new Map(nodes.map((node) => [node.id, node]));
  return (
    <Table
      caption={t.caption}
      columns={[{ label: t.from }, { label: t.to }, { label: t.path }, { label: t.rate, number: true }]}
    >
      {edges.slice(0, MAX_ROWS).map(({ from, to, path, rate }) => (
        <Row key={`${from} ${to}`}>
          <HeadCell>{called(byId.get(from), from)}</HeadCell>
          <Cell>{called(byId.get(to), to)}</Cell>
          <Cell>{strings.paths[path].title}</Cell>
          <Cell number>{format.rate(rate)}</Cell>
        </Row>
      ))}
    </Table>
  );
}

function called(node: GraphNode | undefined, id: string): string {
  if (node?.kind === 'me') return t.you;
  return node?.kind === 'host' ? t.host : (node?.label ?? format.shortPeer(id));
}
