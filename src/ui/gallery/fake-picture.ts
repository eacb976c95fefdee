/** The gallery's leaderboard, teams, milestones, hours of use and links. */
import type { MemberView, PictureState, UsageSample } from '../../app/picture-state.ts';
import type { PeerView } from '../../app/state.ts';
import { hex, random } from './seeded.ts';

const MINUTE = 60_000;

export function usage(now: number, samples = 240): UsageSample[] {
  const next = random(11);
  return Array.from({ length: samples }, (_, i) => {
    // A pause in the middle, as somebody played a game.
    const paused = i > 110 && i < 140;
    const burst = i % 6 === 4;
    return {
      at: now - (samples - i) * 5000,
      down: (burst ? 120_000 : 6000) * (0.6 + 0.8 * next()),
      up: (burst ? 90_000 : 4000) * (0.6 + 0.8 * next()),
      tokensPerSecond: paused ? 0 : 3000 + 500 * (next() - 0.5),
      busy: paused ? 0 : 0.62 + 0.1 * (next() - 0.5),
    };
  });
}

/** Everybody a tab has heard of: those it is linked to, and `more` behind them. */
export function membersAround(peers: readonly PeerView[], more = 3): MemberView[] {
  const next = random(13);
  const linked = peers.filter(({ path }) => path !== 'host');
  const far = Array.from({ length: linked.length === 0 ? 0 : more }, (_, i) => ({
    peer: `12D3KooW${hex(300 + i, 40)}`,
    name: i === 1 ? 'Curie' : '',
    role: 'contributor' as const,
    tokensPerSecond: 900 + 2000 * next(),
  }));
  const all = [...linked, ...far];
  return all.map(({ peer, name, role, tokensPerSecond }, i) => ({
    peer,
    contributor: hex(500 + i),
    name,
    role,
    tokensPerSecond,
    links: [1, 2, 5]
      .map((step) => all[(i + step) % all.length])
      .filter((other) => other.peer !== peer)
      .map((other, k) => ({
        to: other.peer,
        path: k === 2 ? ('relayed' as const) : ('direct' as const),
        rate: Math.round(9000 * next()),
      })),
  }));
}

export const linksOf = (peers: readonly PeerView[]): PictureState['links'] => {
  const next = random(17);
  // A tab keeps twelve links; the rest it hears of.
  return peers.slice(0, 13).map(({ peer, path }) => ({
    to: peer,
    path,
    rate: path === 'relayed' ? 120 * next() : 14_000 * next() ** 2,
  }));
};

export function picture(now: number, peers: readonly PeerView[]): PictureState {
  return {
    profile: { name: 'Tea Kettle', team: 'Moss Club' },
    standing: {
      rank: 3,
      of: 17,
      vested: 6_659_000,
      provisional: 725_201,
      forfeited: 0,
      tokens: 2_301_440,
      provisionalRounds: [39, 41, 42],
      forfeitedRounds: [],
      auditsPassed: 4,
      auditsFailed: 0,
      lastAudit: { round: 38, outcome: 'passed', note: null },
      admittedRound: 0,
      vestRounds: 4,
      awaitsAudit: false,
    },
    leaderboard: [
      { contributor: hex(71), name: 'Ada', team: 'Analytical', credits: 9_120_400, accepted: 42 },
      { contributor: hex(72), name: '', team: '', credits: 8_004_100, accepted: 42 },
      { contributor: hex(77), name: 'Tea Kettle', team: 'Moss Club', credits: 7_384_201, accepted: 40 },
      { contributor: hex(73), name: 'मधु', team: 'Moss Club', credits: 3_250_000, accepted: 19 },
      { contributor: hex(74), name: '北京大学 #7', team: 'Analytical', credits: 412_000, accepted: 3 },
    ],
    teams: [
      { team: 'Moss Club', members: 2, credits: 10_634_201, accepted: 59 },
      { team: 'Analytical', members: 2, credits: 9_532_400, accepted: 45 },
    ],
    milestones: [
      { kind: 'accepted', threshold: 1, round: 1, at: now - 42 * MINUTE },
      { kind: 'credits', threshold: 1e6, round: 6, at: now - 36 * MINUTE },
      { kind: 'accepted', threshold: 10, round: 10, at: now - 32 * MINUTE },
      { kind: 'tokens', threshold: 1e6, round: 17, at: now - 25 * MINUTE },
    ],
    usage: usage(now),
    busyMs: 13 * MINUTE,
    timeUse: {
      sum: {
        steps: 780_000,
        rest: 334_000,
        fetch: 9000,
        compress: 31_000,
        commit: 6000,
        wait: 148_000,
        apply: 24_000,
      },
      lastRound: { steps: 18_400, rest: 7900, fetch: 0, compress: 700, commit: 100, wait: 2400, apply: 500 },
    },
    members: membersAround(peers),
    links: linksOf(peers),
  };
}
