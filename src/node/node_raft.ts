import { Raft } from "../raft/mod.ts";
import { configurationOf } from "./configuration.ts";
import type { Batch } from "./entry.ts";
import { sizeOfBatch } from "./log/entry_codec.ts";
import type { Members } from "./members.ts";
import type { CompleteNodeOptions } from "./node_options.ts";

/** The consensus core of a node. @param appliedIndex what its state machine holds */
export function makeRaft(
  options: CompleteNodeOptions,
  members: Members,
  appliedIndex: number,
): Raft<Batch> {
  const { id, log, random, standing, tickMs, electionMs, heartbeatMs } = options;
  return new Raft<Batch>({
    id,
    configurations: members.known.map(({ index, configuration }) => (
      { index, configuration: configurationOf(configuration) }
    )),
    configurationOf: ({ configuration }) => configuration && configurationOf(configuration),
    hardState: log.hardState(),
    log,
    appliedIndex,
    random,
    electionTicks: Math.max(1, Math.round(electionMs / tickMs)),
    heartbeatTicks: Math.max(1, Math.round(heartbeatMs / tickMs)),
    standing,
    sizeOf: sizeOfBatch,
  });
}
