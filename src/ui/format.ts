/**
 * Numbers as people read them: the only place where the page turns a quantity into text.
 *
 * Sizes are decimal (1 kB = 1,000 bytes), as networks and data plans count. A value that is unknown, not finite or
 * negative where that makes no sense is shown as a dash, never as NaN.
 */

export const UNKNOWN = '–';

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compactFormat = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const clockFormat = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

const usable = (n: number | null | undefined): n is number =>
  n !== null && n !== undefined && Number.isFinite(n) && n >= 0;

/** Three significant digits below 1,000, so that a column of sizes does not dance. */
function significant(n: number): string {
  if (n === 0) return '0';
  if (n >= 99.95) return whole.format(n);
  return n >= 9.995 ? n.toFixed(1) : n.toFixed(2);
}

const SIZES = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** Bytes, e.g. "1.25 MB". */
export function bytes(n: number | null | undefined): string {
  if (!usable(n)) return UNKNOWN;
  let unit = 0;
  let value = n;
  // 999.5 kB would round to "1,000 kB"; it reads better as 1.00 MB.
  while (value >= 999.5 && unit < SIZES.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? whole.format(value) : significant(value)} ${SIZES[unit]}`;
}

/** An estimate, two digits at most: 97,600 is "98 kB". More would pretend to know. */
export function about(n: number | null | undefined): string {
  if (!usable(n) || n === 0) return bytes(n);
  const step = 10 ** (Math.floor(Math.log10(n)) - 1);
  return bytes(Math.round(n / step) * step)
    .replace(/(\.\d*?)0+ /, '$1 ')
    .replace('. ', ' ');
}

/** Bytes a second, e.g. "12.3 kB/s". */
export const rate = (n: number | null | undefined): string => (usable(n) ? `${bytes(n)}/s` : UNKNOWN);

/** What a round's bytes come to in an hour. */
export const perHour = (bytesPerRound: number, roundMs: number): string =>
  roundMs > 0 ? about((bytesPerRound * 3_600_000) / roundMs) : UNKNOWN;

/** A count in full, e.g. "12,345". */
export const count = (n: number | null | undefined): string => (usable(n) ? whole.format(n) : UNKNOWN);

/** A count in short, e.g. "1.2M"; exact below 10,000. */
export function compact(n: number | null | undefined): string {
  if (!usable(n)) return UNKNOWN;
  return n < 10_000 ? whole.format(n) : compactFormat.format(n);
}

/** Tokens a second: one decimal when slow, whole numbers when fast. */
export function speed(n: number | null | undefined): string {
  if (!usable(n)) return UNKNOWN;
  return n > 0 && n < 9.95 ? n.toFixed(1) : compact(Math.round(n));
}

/**
 * Micro-credits as credits. Two decimals, and up to six when the amount would otherwise read as zero, so that earned
 * work never looks unpaid.
 */
export function credits(micro: number | null | undefined): string {
  if (!usable(micro)) return UNKNOWN;
  if (micro === 0) return '0';
  const value = micro / 1e6;
  if (value < 0.005) return value.toFixed(6).replace(/0+$/, '');
  return value.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

/** Loss in nats per token. */
export const loss = (n: number | null | undefined): string => (usable(n) ? n.toFixed(3) : UNKNOWN);

/** A change with its sign, e.g. "−1.204". */
export function signed(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return UNKNOWN;
  const text = Math.abs(n).toFixed(3);
  if (Number(text) === 0) return '0.000';
  return `${n < 0 ? '−' : '+'}${text}`;
}

/** 0.35 as "35 %". */
export const percent = (share: number | null | undefined): string =>
  usable(share) ? `${Math.round(share * 100)} %` : UNKNOWN;

/** A share to a tenth of a percent, for derivations: 0.2079 as "20.8 %". */
export const share = (part: number | null | undefined): string =>
  usable(part) ? `${(100 * part).toFixed(1)} %` : UNKNOWN;

/** Milliseconds as "8 s", "3 min 20 s", "2 h 05 min", "4 d 2 h". */
export function duration(ms: number | null | undefined): string {
  if (!usable(ms)) return UNKNOWN;
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 === 0 ? `${s / 60} min` : `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) {
    const minutes = Math.floor((s % 3600) / 60);
    return minutes === 0
      ? `${Math.floor(s / 3600)} h`
      : `${Math.floor(s / 3600)} h ${String(minutes).padStart(2, '0')} min`;
  }
  const hours = Math.floor((s % 86_400) / 3600);
  return hours === 0 ? `${Math.floor(s / 86_400)} d` : `${Math.floor(s / 86_400)} d ${hours} h`;
}

/** Time left as "0:09" or "12:05"; never negative, rounds up so that 0:00 means over. */
export function countdown(ms: number): string {
  if (!Number.isFinite(ms)) return UNKNOWN;
  const s = Math.max(0, Math.ceil(ms / 1000));
  return s >= 3600 ? duration(s * 1000) : `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`;
}

/** Watt hours, e.g. "340 Wh", "1.25 kWh". */
export const energy = (wattHours: number | null | undefined): string => {
  if (!usable(wattHours)) return UNKNOWN;
  return wattHours < 999.5 ? `${significant(wattHours)} Wh` : `${significant(wattHours / 1000)} kWh`;
};

/** Round-trip time, e.g. "42 ms". */
export const latency = (ms: number | null | undefined): string =>
  usable(ms) ? `${whole.format(ms)} ms` : UNKNOWN;

/** Time of day of an epoch-ms instant, this machine's zone. */
export const clock = (epochMs: number): string =>
  Number.isFinite(epochMs) && epochMs > 0 ? clockFormat.format(epochMs) : UNKNOWN;

const dayFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', year: 'numeric' });

/** Date of an epoch-ms instant, this machine's zone. */
export const day = (epochMs: number): string =>
  Number.isFinite(epochMs) && epochMs > 0 ? dayFormat.format(epochMs) : UNKNOWN;

const shortDayFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

/** Day and month of an epoch-ms instant in short, this machine's zone: "3 Dec". */
export const shortDay = (epochMs: number): string =>
  Number.isFinite(epochMs) && epochMs > 0 ? shortDayFormat.format(epochMs) : UNKNOWN;

/** The start of a hash or key; the whole when it is short. */
export const shortId = (id: string | null | undefined, length = 8): string =>
  id === null || id === undefined || id === ''
    ? UNKNOWN
    : id.length <= length + 1
      ? id
      : `${id.slice(0, length)}…`;

/** libp2p peer ids all begin alike, so their tail tells them apart. */
export const shortPeer = (id: string | null | undefined): string =>
  id === null || id === undefined || id === '' ? UNKNOWN : id.length <= 9 ? id : `…${id.slice(-8)}`;
