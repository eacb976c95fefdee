/** Durations of the tasks of a page's main thread, from a Chromium trace. */

interface TraceEvent {
  readonly ph: string;
  readonly cat: string;
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur?: number;
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

export const TRACE_CATEGORIES = ['toplevel', 'devtools.timeline', '__metadata'];

export interface Task {
  /** Wall and processor time, ms. A busy machine makes the first longer than the second. */
  readonly wall: number;
  readonly cpu: number;
  /** Microseconds of the trace's clock. */
  readonly at: number;
  /** What most of its time went to, by the timeline's events inside it. */
  readonly what: string;
}

/** Tasks of the busiest renderer's main thread: the page under test is the only one that works. */
export function mainThreadTasks(trace: Uint8Array): Task[] {
  // The format is Chromium's own (trace event format); a trace without these fields gives no tasks.
  const { traceEvents } = JSON.parse(new TextDecoder().decode(trace)) as { traceEvents: TraceEvent[] };
  const mains = new Set(
    traceEvents
      .filter((e) => e.ph === 'M' && e.name === 'thread_name' && e.args?.name === 'CrRendererMain')
      .map((e) => `${e.pid}/${e.tid}`),
  );
  const threads = new Map<string, { tasks: TraceEvent[]; parts: TraceEvent[]; total: number }>();
  for (const event of traceEvents) {
    const key = `${event.pid}/${event.tid}`;
    if (event.ph !== 'X' || event.dur === undefined || !mains.has(key)) continue;
    let thread = threads.get(key);
    if (thread === undefined) threads.set(key, (thread = { tasks: [], parts: [], total: 0 }));
    if (event.name === 'ThreadControllerImpl::RunTask') {
      thread.tasks.push(event);
      thread.total += event.dur;
    } else if (event.cat.includes('devtools.timeline') && event.name !== 'RunTask') thread.parts.push(event);
  }
  const [busiest] = [...threads.values()].sort((a, b) => b.total - a.total);
  if (busiest === undefined) return [];
  // A nested task (a modal loop) lies inside its outer one, which counts.
  const tasks = busiest.tasks.sort((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0));
  const parts = busiest.parts.sort((a, b) => a.ts - b.ts);
  const found: Task[] = [];
  let end = Number.NEGATIVE_INFINITY;
  let from = 0;
  for (const { ts, dur = 0, tdur = dur } of tasks) {
    if (ts < end) continue;
    end = ts + dur;
    while (from < parts.length && parts[from].ts < ts) from++;
    const inside = new Map<string, number>();
    for (let i = from; i < parts.length && parts[i].ts < end; i++)
      inside.set(parts[i].name, (inside.get(parts[i].name) ?? 0) + (parts[i].dur ?? 0));
    const [most] = [...inside].sort((a, b) => b[1] - a[1]);
    found.push({ wall: dur / 1000, cpu: tdur / 1000, at: ts, what: most?.[0] ?? '' });
  }
  return found;
}
