/**
 * Every number of the peer-to-peer layer, with its reason. "Measured" means Chromium 156 and Node 24 on a shared
 * two-core machine without a GPU; times are in milliseconds, sizes in bytes.
 */
import { MAX_GOSSIP_BYTES } from '../protocol/limits.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;

// ---- links ----

/** Direct links a tab seeks. Seven tabs are then fully meshed; gossip needs no more than 4 to 6 neighbours. */
export const TARGET_LINKS = 6;
/** Direct links a tab tolerates: twice the target, so that tabs which nobody chose can still get in. */
export const MAX_LINKS = 12;
/** WebRTC dials at a time. Each costs a key generation and an ICE run, which a tab that trains has little time for. */
export const MAX_PARALLEL_DIALS = 3;
/**
 * A dial, its address, an inbound upgrade and a protocol negotiation may each take this long. The defaults (6 to
 * 10 s) fail on a tab whose cores are busy with a software GPU.
 */
export const DIAL_TIMEOUT = 30 * SECOND;
/** First wait after a failed dial of a peer; doubles up to {@link MAX_DIAL_BACKOFF}. */
export const MIN_DIAL_BACKOFF = 500;
export const MAX_DIAL_BACKOFF = 15 * SECOND;
/**
 * The peer with the smaller id dials, so that two tabs do not open two connections at once. When it does not come in
 * this time (it has its links, or its dials fail), the other one dials too.
 */
export const DIAL_COURTESY = 8 * SECOND;
/** A peer that the host no longer names, and that we are not linked to, is forgotten. */
export const KNOWN_PEER_TTL = 30 * SECOND;
/** Links beyond the target that a tab opens to fetch a blob from its author. The rest up to the cap is for newcomers. */
export const SPARE_LINKS = 3;
/** Authors dialled for one blob, and the patience for each: the host is the next source. */
export const MAX_ON_DEMAND = 2;
export const ON_DEMAND_TIMEOUT = 8 * SECOND;
/** How often a tab looks at its links, and how often it asks the host for peers at most and at least. */
export const LINK_TICK = 500;
export const MIN_ASK_INTERVAL = 500;
export const MAX_ASK_INTERVAL = 5 * SECOND;
/**
 * Redial of a lost host: first and longest wait. Each is drawn from its lower third upwards, so that a swarm does not
 * return as one wave: a tab that comes costs the host 20 to 40 ms.
 */
export const MIN_HOST_BACKOFF = 3 * SECOND;
export const MAX_HOST_BACKOFF = 30 * SECOND;
/** A connection that stood for so long was a good one: after it, waiting begins anew. Before that it goes on growing. */
export const STEADY_HOST = 1 * MINUTE;
/** A relayed connection is only for signalling; it is closed this long after the direct link came up. */
export const RELAYED_LINGER = 5 * SECOND;
/** Round-trip times are a display value: rarely measured, and patient with a busy tab. */
export const PING_INTERVAL = 15 * SECOND;
export const PING_TIMEOUT = 15 * SECOND;
/** Unanswered pings in a row after which a tab takes its WebSocket to the host for dead (a changed network) and redials. */
export const MAX_MISSED_PINGS = 2;
/** The host's connection monitor: the default of 5 s drops tabs whose main thread is busy (measured). */
export const MONITOR_PING_TIMEOUT = 30 * SECOND;
/** A ban outlasts several rounds. Peer ids are new at each page load, so longer bans would only fill the list. */
export const BAN_DURATION = 10 * MINUTE;
/** Entries of the deny list; the oldest go first. */
export const MAX_BANS = 1024;
/** An orderly close of a WebSocket may take this long before it is aborted. */
export const CLOSE_TIMEOUT = 1 * SECOND;
/** `change` events are gathered, since a page redraws at each. */
export const CHANGE_INTERVAL = 100;

// ---- host as relay ----

/** Tabs that can be reached through one host: libp2p's default of 15 leaves the 16th unreachable without an error (measured). */
export const MAX_TABS = 1000;
/** A reservation ends with its tab's last connection. Else it lasts this long; tabs renew it 5 minutes before the end. */
export const RESERVATION_TTL = 30 * MINUTE;
/**
 * Reservations. A school of five computer rooms with 40 tabs each, behind one address, has its share; four such addresses
 * leave a fifth of the places to members. Once places are short, a peer that does not take part goes after 20 s, and one
 * stranger that had a minute goes every 5 s.
 */
export const RESERVATION_PLACES = {
  total: MAX_TABS,
  kept: 200,
  perAddress: 200,
  graceMs: 20 * SECOND,
  stayMs: 1 * MINUTE,
  yieldMs: 5 * SECOND,
};
/** Connections: as many again for validators, Node peers without WebRTC, and tabs that meet their own dead connection. */
export const CONNECTION_PLACES = { ...RESERVATION_PLACES, total: 2 * MAX_TABS, kept: 400 };
/** Handshakes take a tenth of a second each, seconds on a busy host; one that takes longer gives way to the next. */
export const HANDSHAKE_PLACES = {
  total: 500,
  kept: 0,
  perAddress: 64,
  graceMs: 5 * SECOND,
  stayMs: 5 * SECOND,
  yieldMs: 0,
};
/** Connections of one peer; a tab that comes back may meet its own dead one. The newest stand. */
export const CONNECTIONS_PER_PEER = 2;
/**
 * WebSockets a second of one address, and the burst: each costs the host 20 to 40 ms of its only thread. A school with a
 * full share of tabs may reload them all at once, and once more.
 */
export const ARRIVAL_RATE = 20;
export const ARRIVAL_BURST = 400;
/** What a ban takes from that budget, so that an address cannot go through new keys faster than one a second. */
export const ARRIVALS_PER_BAN = 20;
/** Addresses whose budgets are remembered. */
export const MAX_SHARES = 10_000;
/** The list of peers in the run's topic is looked up this often at most, when places are short. */
export const SUBSCRIBERS_AGE = 1 * SECOND;
/** Bytes sent to all peers that these have not read, and how long one may read nothing at all. */
export const MAX_UNREAD = 32 * MiB;
export const UNREAD_TIMEOUT = 30 * SECOND;
export const UNREAD_INTERVAL = 1 * SECOND;
/** Above this a stream waits before it sends more to a WebSocket; libp2p's default is four times as much. */
export const MAX_WEBSOCKET_BUFFER = 1 * MiB;
/** Streams that one peer may have open: gossip 2, blobs 8, relay 16, and a few questions. libp2p's default is 1000. */
export const MAX_STREAMS_IN = 64;
/** Peers that left are cleared out of libp2p's book of addresses this often, should one have slipped in again. */
export const SWEEP_INTERVAL = 1 * MINUTE;

/** Signalling one WebRTC link costs 7 to 10 KB (measured); many network interfaces and TURN servers cost a few more. */
export const RELAY_DATA_LIMIT = 64 * KiB;
/** The dial that it serves ends after {@link DIAL_TIMEOUT}; then the link stands, or another attempt begins. */
export const RELAY_DURATION_LIMIT = 1 * MINUTE;
/**
 * Links a second that one tab may ask for, and the burst. It seeks six, and dials three at a time for up to 30 s each;
 * where all fail (a network without UDP) that is one in some seconds.
 */
export const RELAY_TAB_LINK_RATE = 0.5;
export const RELAY_TAB_LINK_BURST = 32;
/** Relayed bytes a second of one tab, and the burst: 25 links at once. More is no signalling, and is banned. */
export const RELAY_TAB_RATE = 4 * KiB;
export const RELAY_TAB_BURST = 256 * KiB;
/** The same of one address: a computer room of 40 tabs opens 120 links of 8 KB at once, and still 4 a second after that. */
export const RELAY_SHARE_LINK_RATE = 4;
export const RELAY_SHARE_LINK_BURST = 192;
export const RELAY_SHARE_RATE = 32 * KiB;
export const RELAY_SHARE_BURST = 1536 * KiB;
/** Links a second to one tab, and the burst: a tab that nobody knew is named to all newcomers for a while. */
export const RELAY_ASKED_RATE = 2;
export const RELAY_ASKED_BURST = 64;
/** Relayed bytes a second of all strangers, and of all members, and the burst of each: 1000 tabs that come within minutes. */
export const RELAY_RATE = 512 * KiB;
export const RELAY_BURST = 16 * MiB;
/** HOP streams of one tab, one for each link being signalled: it dials three at a time and two more for blobs. */
export const MAX_HOP_STREAMS = 16;
/** STOP streams to one tab: it accepts 12 links, and many may try. */
export const MAX_STOP_STREAMS = 32;
/** libp2p's own counts by IP, in which IPv6 has no /64: the default of 5 a second locks out a class room (measured). */
export const INBOUND_CONNECTIONS_PER_SECOND = 1000;
export const MAX_PENDING_CONNECTIONS = HANDSHAKE_PLACES.total;
/** noise frames have at most 64 KiB; the default of 100 MiB would let a stranger fill the host's memory. */
export const MAX_WEBSOCKET_MESSAGE = 1 * MiB;

// ---- rendezvous ----

/** Random peers in one answer: more than twice {@link TARGET_LINKS}, so that some failing dials do not matter. */
export const RENDEZVOUS_PEERS = 16;
/** 16 base58 ids of 52 characters as JSON are 900 bytes. */
export const MAX_RENDEZVOUS_BYTES = 2 * KiB;
export const RENDEZVOUS_TIMEOUT = 10 * SECOND;
/** Questions a second from one tab that get an answer, and the burst; a tab asks at most 2. */
export const RENDEZVOUS_RATE = 4;
export const RENDEZVOUS_BURST = 4 * RENDEZVOUS_RATE;
/** The same of one address: a room of 40 tabs that all look for links asks 80 times a second for some seconds. */
export const RENDEZVOUS_SHARE_RATE = 100;
export const RENDEZVOUS_SHARE_BURST = 400;
/** Places of an answer that members have, if there are so many; then each address has one after the other. */
export const RENDEZVOUS_MEMBERS = 8;
/** Who can be reached is worked out this often at most. */
export const RENDEZVOUS_AGE = 250;

// ---- handover ----

/** The host answers when it has fetched a round's submissions, applied and stored them. */
export const HANDOVER_TIMEOUT = 2 * MINUTE;
/** Handovers a second of one connection, and the burst: a tab that waits for its host tries about twice a second at first. */
export const HANDOVER_RATE = 2;
export const HANDOVER_BURST = 8;
/** One link with its opinions (MAX_LINK_BYTES in chain/links.ts). */
export const MAX_HANDOVER_BYTES = 1 * MiB;
/** A link has to arrive in this time once its stream is open, and strangers may hand over so many at a time. */
export const HANDOVER_READ_TIMEOUT = 15 * SECOND;
export const MAX_STRANGERS_HANDOVERS = 4;
/** A code and a height, as JSON. */
export const MAX_HANDOVER_ANSWER = 1 * KiB;

// ---- blobs ----

/** Largest answer. WebRTC streams have no read back-pressure, so the receiver asks for pieces of bounded size. */
export const PIECE_BYTES = 256 * KiB;
/** Pieces in flight: 2 MiB, half of the 4 MiB at which libp2p aborts a stream. Reaches 17 to 39 MB/s (measured). */
export const PIECE_WINDOW = 8;
/** Time to the first answer of a source ("here" or "not here"), opening the stream included. */
export const FIRST_PIECE_TIMEOUT = 10 * SECOND;
/** Longest gap between two pieces; a busy tab's main thread stalled for up to 8 s (measured). */
export const PIECE_TIMEOUT = 15 * SECOND;
/** Bytes a second below which a source counts as stalled, so that one piece in 14 s cannot hold up a round. */
export const MIN_SOURCE_RATE = 32 * KiB;
/** A source that has not sent a byte by then gets a competitor, and at most so many run at a time. */
export const HEDGE_DELAY = 1500;
export const MAX_PARALLEL_SOURCES = 3;
/** Sources asked for one blob, the preferred ones included. */
export const MAX_SOURCES = 16;
/** A source that stalled is asked last for this time. */
export const STALL_MEMORY = 1 * MINUTE;
/** Wrong bytes under a hash, or nonsense on the blob protocol, this often: ban. One could be a broken disk or memory. */
export const MAX_BLOB_FAULTS = 3;
/** Streams on which one peer may ask at a time, and we ask of one peer. */
export const MAX_BLOB_STREAMS_IN = 8;
export const MAX_BLOB_STREAMS_OUT = 32;
/** Bytes a second served to one peer, and the burst: above what a direct link carries (39 MB/s measured). */
export const SERVE_RATE = 48 * MiB;
export const SERVE_BURST = 64 * MiB;
/** Bytes of answers on their way to all peers, and to those of one account: two windows of pieces, unread by the asker. */
export const MAX_SERVING = 16 * MiB;
export const MAX_SERVING_SHARE = 4 * MiB;
/** What a "not here" answer counts for in that budget: 384 fruitless questions a second, no more. */
export const MISS_COST = 128 * KiB;
/** Whole downloads of one blob by one peer; then it is "not here" for it. Spares volunteers' upload. */
export const MAX_DOWNLOADS = 4;
/** Peers whose downloads of one blob are remembered. */
export const MAX_DOWNLOADERS = 4096;
/** An idle blob stream is closed. */
export const BLOB_IDLE = 30 * SECOND;

// ---- gossip ----

/** Above the largest message with its envelope, since one oversized RPC mutes a link for good (measured). */
export const MAX_GOSSIP_RPC_BYTES = 8 * MAX_GOSSIP_BYTES;
/** Messages a second that one author may publish. A contributor sends about one; the host a few at once. */
export const AUTHOR_RATE = 5;
export const AUTHOR_BURST = 50;
/** Messages a second that one neighbour may bring, of whatever author: 20 busy authors behind it. */
export const NEIGHBOUR_RATE = 100;
export const NEIGHBOUR_BURST = 500;
/**
 * Bytes a second of the messages that one neighbour brings within its rate, and the burst. A full rate of ordinary messages
 * is 70 KiB/s; an opinion and a certificate, each of full size and said twice, are 400 KiB a round. Beyond it they are rejected.
 */
export const NEIGHBOUR_BYTES_RATE = 256 * KiB;
export const NEIGHBOUR_BYTES_BURST = 4 * MiB;
/**
 * Messages a second that one neighbour may bring and have ignored, unread. The host of a thousand tabs may honestly exceed the
 * rate above; ten times of it is a flood, and whoever brings one is banned.
 */
export const FLOOD_RATE = 10 * NEIGHBOUR_RATE;
export const FLOOD_BURST = 10 * NEIGHBOUR_BURST;
/** Messages of one neighbour that are unwanted (another version's, forgotten at one in 10 s); more count as rejected. */
export const MAX_UNWANTED = 8;
export const UNWANTED_DECAY_RATE = 0.1;
/** Authors remembered for the rate limit. */
export const MAX_AUTHORS = 4096;
/** Rejected messages of one neighbour (forgotten at one in 10 s) until it is banned. Honest peers do not forward them. */
export const MAX_REJECTED = 20;
export const REJECTED_DECAY_RATE = 0.1;
/** A peer's score is kept so long after it left. libp2p's default of an hour would keep every free key of a flood so long. */
export const SCORE_MEMORY = 2 * MINUTE;
/** How often the gossip streams of all links are looked at: a closed page is gone from the view after that. */
export const GOSSIP_CHECK_INTERVAL = 1 * SECOND;
/** A link that lacks an open gossip stream in one direction for so long is dropped and dialled anew. */
export const GOSSIP_MUTE = 5 * SECOND;
/** Before that age a link may still be negotiating; identify alone can take seconds in a busy tab. */
export const GOSSIP_GRACE = 20 * SECOND;
