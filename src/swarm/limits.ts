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
/** Redial of a lost host: first and longest wait, each spread by ±30 % so that a swarm does not return as one wave. */
export const MIN_HOST_BACKOFF = 1 * SECOND;
export const MAX_HOST_BACKOFF = 15 * SECOND;
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

/** libp2p's default of 15 reservations leaves the 16th tab unreachable without an error (measured). */
export const MAX_TABS = 1000;
/** Reservations of closed tabs go within this time even if the socket lingers. Renewed 5 minutes before the end. */
export const RESERVATION_TTL = 30 * MINUTE;
/** Signalling one WebRTC link costs 6 to 10 KB (measured). Small limits keep tabs from using the relay for blobs. */
export const RELAY_DATA_LIMIT = 128 * KiB;
export const RELAY_DURATION_LIMIT = 2 * MINUTE;
/**
 * Relayed bytes a second of one tab, and the burst: about 400 links signalled. Many small relayed connections after
 * each other would otherwise make a data path of the host; who exceeds this is banned.
 */
export const RELAY_RATE = 16 * KiB;
export const RELAY_BURST = 4 * MiB;
/** HOP and STOP streams open at a time on one tab's connection: one for each link being signalled. */
export const MAX_RELAY_STREAMS = 512;
/** Per second and per IP; the default of 5 locks out a class room behind one address (measured). */
export const INBOUND_CONNECTIONS_PER_SECOND = 1000;
export const MAX_PENDING_CONNECTIONS = 500;
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

// ---- handover ----

/** The host answers when it has fetched a round's submissions, applied and stored them. */
export const HANDOVER_TIMEOUT = 2 * MINUTE;
/** Handovers a second of one connection, and the burst: a tab that waits for its host tries about twice a second at first. */
export const HANDOVER_RATE = 2;
export const HANDOVER_BURST = 8;
/** One link with its opinions (MAX_LINK_BYTES in chain/links.ts). */
export const MAX_HANDOVER_BYTES = 1 * MiB;
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
/** How often the gossip streams of all links are looked at: a closed page is gone from the view after that. */
export const GOSSIP_CHECK_INTERVAL = 1 * SECOND;
/** A link that lacks an open gossip stream in one direction for so long is dropped and dialled anew. */
export const GOSSIP_MUTE = 5 * SECOND;
/** Before that age a link may still be negotiating; identify alone can take seconds in a busy tab. */
export const GOSSIP_GRACE = 20 * SECOND;
