/**
 * The consensus core: Raft as a pure state machine. Comments cite Ongaro and Ousterhout, "In Search
 * of an Understandable Consensus Algorithm", 2014, as "the paper" or "Raft paper", and Ongaro's
 * dissertation of the same year as "the thesis". The core has no clock, disk or network. A driver
 * owns those, and this is their contract.
 *
 * In:
 * - `tick()` at even intervals. `electionTicks` and `heartbeatTicks` count these calls.
 * - `step(message)` for each message from a peer, in whatever order the network brings them.
 * - `propose`, `readIndex`, `campaign` and `transfer` for what users want; `reportUnreachable` when
 *   a connection ends; `mayLead` and `stepDown` when the driver knows a reason not to lead;
 *   `committedMax` when it applies entries more slowly than they are committed.
 * - `snapshotReceived(snapshot)` when a whole snapshot from a leader is durable here.
 *
 * Out: after any of these calls, while `hasReady()`, take a `ready()` and do what it says in the
 * order that `Ready` states: send `messages` and `snapshotsWanted`; write `snapshot`, `entries` and
 * `hardState` in one write; apply `committed`; answer `reads`. When the write is durable, call
 * `advance(ready)` and send `messagesAfterPersist`. Collect all input of one turn of the event loop
 * before taking a Ready: then proposals share their append requests, reads share a round of
 * heartbeats, and all of it shares one write.
 *
 * Writes may overlap: the driver may take further Readys while earlier ones are being written, as
 * long as the log keeps their order and `advance` is called in it. Between `ready()` and the append
 * to the log nothing else may take a Ready. A write that fails ends the node: the core must not be
 * called any more.
 *
 * A proposal is done when an entry with its index and the term of the proposal is among
 * `committed`. An entry of another term at that index means that the proposal was lost. A leader
 * steps down without notice: compare `status()` before and after a call. `committed` may hold
 * entries that are not durable on this node yet, since they are durable on a majority of others.
 *
 * A read is linearizable once the index that `reads` gives for it is applied. A read in
 * `refusedReads` gets no index, and may be asked again after the next tick. No read waits for
 * either much longer than ten times `electionTicks`, except at a leader that cannot commit the
 * first entry of its term. Messages may be lost: a driver that wants an answer sooner asks again
 * under another id.
 *
 * Members: a configuration is the data of an entry; `configurationOf` recognises it. It takes
 * effect as soon as it is in the log; `status()` shows the newest and whether it is committed. Each
 * change adds or removes one voter at most, and begins after the previous one is committed;
 * `configurationRefusal` says why a change cannot begin. Ids are for life: the driver makes sure
 * that an id whose disk was lost never comes back. A node that joins starts without a
 * configuration, and learns it from the log or a snapshot. A leader that a committed change removes
 * hands over and becomes a learner by itself. It refuses proposals meanwhile, as during a
 * `transfer`: check `status().transferringTo` before proposing.
 *
 * Snapshots: the driver takes them of what is applied, and compacts the log as `LogReader` allows;
 * the core need not be told. A snapshot holds the configuration at its index, and none may be taken
 * before one is known. A peer that needs compacted entries is named in `snapshotsWanted`, and the
 * driver sends it the newest snapshot by its own means. The receiving driver takes a snapshot only
 * from the node that it knows as leader, in the term that it knows: a stale leader is ignored. When
 * the whole snapshot is durable, it calls `snapshotReceived`, whoever leads by then: a snapshot
 * that a leader sent is committed, so every later leader has its entries. The next Ready has it as
 * `snapshot`, unless it is not needed. While no leader is known, the call does nothing: the driver
 * repeats it.
 *
 * At the start the driver gives the newest snapshot's index as `appliedIndex`. Its log must reach
 * that far: the driver resets a log that ends before it to the snapshot first.
 *
 * The same inputs give the same outputs. A message can never make a call throw: what throws is an
 * `AssertionFailure`, a bug in the core or in its driver.
 *
 * The files, each importing only files that this list names after it: `raft.ts` has the calls and
 * settles terms; `message_guard.ts` keeps impossible messages out. Then there is one file a role,
 * in the order in which a node goes through them: `follower.ts`, `election.ts` (candidates),
 * `leader.ts`. A leader relies on `membership.ts`, which also transfers leadership. All of them
 * work on `state.ts`, which alone changes roles. Its parts know nothing of roles: `progress.ts`
 * (what a peer has, and what a majority has), `reads.ts`, `log.ts` (what is in memory, handed out,
 * durable and committed), `configuration_log.ts` and `options.ts`. `types.ts` has what a driver
 * sees.
 *
 * To follow one message: an append at a follower goes from `raft.ts` to `follower.ts`, `state.ts`
 * and `log.ts`; the reply at the leader goes from `raft.ts` to `leader.ts`, `progress.ts` and
 * `log.ts`.
 *
 * @module
 */
export { Raft } from "./raft.ts";
export type { RaftOptions, Standing } from "./options.ts";
export type { ConfigurationRefusal } from "./membership.ts";
export { majority } from "./progress.ts";
export type * from "./types.ts";
