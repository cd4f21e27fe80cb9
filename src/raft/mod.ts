/**
 * The consensus core: Raft (Ongaro and Ousterhout, "In Search of an Understandable Consensus
 * Algorithm", 2014: "the paper"; Ongaro's dissertation of the same year: "the thesis") as a pure
 * state machine. It has no clock, disk or network; a driver owns those, and this is their contract.
 *
 * In:
 * - `tick()` at even intervals. `electionTicks` and `heartbeatTicks` count these calls.
 * - `step(message)` for each message from a peer, in whatever order the network brings them.
 * - `propose`, `readIndex`, `campaign` and `transfer` for what users want; `unreachable` when a
 *   connection ends.
 *
 * Out: after any of these calls, while `hasReady()`, take a `ready()` and do what it says in the
 * order that `Ready` tells: send `messages`; write `snapshot`, `entries` and `hardState` as one; apply
 * `committed`; answer `reads`; and when the write is durable call `advance(ready)` and send
 * `messagesAfterPersist`. Collect all input of one turn of the event loop before taking a Ready:
 * proposals then share their append requests, reads their round of heartbeats, and all of it one
 * write.
 *
 * Writes may overlap: further Readys may be taken while earlier ones are being written, as long as
 * the log keeps their order and `advance` is called in it. Between `ready()` and the append to the
 * log nothing else may take a Ready. A write that fails ends the node: the core is not to be called
 * any more.
 *
 * A proposal is done when an entry with its index and the term of the proposal is among
 * `committed`; an entry of another term at that index says that it was lost. A leader steps down
 * without a word: compare `status()` before and after. `committed` may hold entries that this node
 * has not yet made durable itself, since a majority of others has.
 *
 * A read is linearizable once the index that `reads` gives for it is applied. One in `refusedReads`
 * will get none and may be asked for again, but not before the next tick; no read waits longer than
 * about ten times `electionTicks` for either, except at a leader that cannot commit the first entry
 * of its term. A message may be lost: whoever wants to know sooner asks again under another id.
 *
 * Members: a configuration is data of an entry, which `configurationOf` tells from other data. It
 * holds as soon as it is in the log; `status()` tells the newest and whether it is committed. Changes
 * go one voter at a time, each after the last is committed: `configurationRefusal` says what is in
 * the way. Ids are for life: an id whose disk was lost must not come back, and the driver sees to
 * it. A node that joins starts without a configuration, and learns it from the log or a snapshot.
 * A leader that a committed change removes hands over and becomes a learner by itself, and refuses
 * proposals on its way, as during a `transfer`: ask `status().transferringTo` before proposing.
 *
 * Snapshots: the driver takes them of what is applied, and compacts the log as `LogReader` allows;
 * the core need not be told. A snapshot holds the configuration at its index, and none is to be
 * taken where none is known yet. For a peer that needs what is gone there is a `snapshot` message,
 * in whose place the driver streams its newest snapshot. The message comes again each election
 * timeout, until the peer has confirmed: a stream that is under way to it just goes on. The receiving
 * driver steps the message when it has the whole, with that snapshot's index, term and
 * configuration. The next Ready has it as `snapshot`, or it is not needed.
 *
 * At the start the driver gives the newest snapshot's index as `appliedIndex`. Its log must reach
 * that far: a log that ends, or that was cut off, before it is to be reset to the snapshot first.
 *
 * The same inputs give the same outputs. A message can never make a call throw; what throws is an
 * `AssertionFailure`, a bug in the core or in its driver.
 *
 * The files: `raft.ts` has the calls and settles terms, then `step_leader.ts`, `step_follower.ts`
 * and `step_candidate.ts` act for the role, on the state in `core.ts`, which alone changes roles.
 * What a leader does without being asked is in `leader.ts`, upon `membership.ts` and `transfer.ts`.
 * `log.ts` knows what is where: in memory, handed out, durable, committed.
 *
 * @module
 */
export { Raft } from "./raft.ts";
export type { RaftOptions, Standing } from "./options.ts";
export type { ConfigurationRefusal } from "./membership.ts";
export type { ProgressState } from "./progress.ts";
export type { PeerStatus, RaftStatus } from "./status.ts";
export type * from "./types.ts";
