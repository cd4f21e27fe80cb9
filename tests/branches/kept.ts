/** A block that may stay as it is, and why. */
export interface Kept {
  readonly file: string;
  /** The first line of the block, as the task prints it. @default every block of the file */
  readonly code?: string;
  readonly reason: string;
}

/** Files of the command line that run as processes of their own, by the tests that start them. */
const RUN_BY: readonly (readonly [test: string, files: readonly string[]])[] = [
  ["tests/e2e/recovery/backup_test.ts", ["src/cli/backup.ts", "src/cli/restore.ts"]],
  ["tests/e2e/cli/client_test.ts", [
    "src/cli/cli.ts",
    "src/cli/client/client_connection.ts",
    "src/cli/client/interactive_session.ts",
    "src/cli/client/pipe_requests.ts",
    "src/cli/client/replies.ts",
    "src/cli/client/typed_lines.ts",
  ]],
  ["tests/e2e/cli/node_start_test.ts", [
    "src/cli/client_flags.ts",
    "src/cli/node.ts",
    "src/cli/node_place.ts",
  ]],
  ["tests/e2e/cli/cluster_test.ts", [
    "src/cli/cluster.ts",
    "src/cli/cluster/child_process.ts",
    "src/cli/cluster/node_observer.ts",
    "src/cli/cluster/ports.ts",
  ]],
  ["tests/e2e/cli/help_test.ts", [
    "src/cli/command_line.ts",
    "src/cli/flags.ts",
    "src/cli/main.ts",
  ]],
  ["tests/e2e/failures/on_purpose_test.ts", ["src/cli/fault.ts", "src/cli/node_faults.ts"]],
  ["tests/e2e/membership/grow_and_shrink_test.ts", [
    "src/cli/bootstrap.ts",
    "src/cli/remove_and_transfer.ts",
  ]],
  ["tests/e2e/http/http_test.ts", ["src/cli/services/services.ts"]],
  ["tests/e2e/web/cluster_test.ts", ["src/cli/services/member_faults.ts"]],
  ["tests/e2e/cli/log_test.ts", ["src/cli/log.ts"]],
  ["tests/e2e/recovery/maxmemory_test.ts", ["src/cli/memory_bound.ts"]],
  ["tests/e2e/recovery/recover_test.ts", [
    "src/cli/offline/data_directories.ts",
    "src/cli/offline/snapshot_file.ts",
    "src/cli/offline/survivor.ts",
    "src/cli/recover.ts",
  ]],
  ["tests/e2e/cli/roles_test.ts", ["src/cli/proxy.ts"]],
  ["tests/e2e/cli/status_test.ts", ["src/cli/resp_client.ts", "src/cli/status.ts"]],
];

/** What only an error of the program itself would reach: such an error is not swallowed. */
const ONLY_BUGS: readonly (readonly [file: string, code: string])[] = [
  ["src/base/bytes.ts", "throw error;"],
  ["src/node/peers/inbox.ts", "throw error;"],
  ["src/node/peers/link.ts", "throw error;"],
  ["src/node/snapshots/disk_snapshots.ts", "throw error;"],
  ["src/node/snapshots/new_snapshot_file.ts", "throw error;"],
  ["src/node/snapshots/snapshot_exports.ts", "throw error;"],
  ["src/node/snapshots/snapshot_receiver.ts", "error instanceof SnapshotFileError"],
  ["src/node/snapshots/snapshot_receiver.ts", "throw error;"],
  ["src/node/snapshots/snapshot_sender.ts", "throw error;"],
];

/** For an older Deno without native base64. The ways themselves are tested by their names. */
const ONLY_OLDER_DENO: readonly (readonly [file: string, code: string])[] = [
  [
    "src/base/bytes.ts",
    'Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64")',
  ],
  ["src/base/bytes.ts", "return parseWithBuffer(text, target);"],
  ["src/base/bytes.ts", "latin1ByBase64(bytes, from, to)"],
  ["src/base/bytes.ts", "to - from >= READ_BY_BASE64_BYTES_MIN"],
  ["src/base/bytes.ts", "to - from >= WRITE_BY_BASE64_CHARACTERS_MIN"],
  [
    "src/base/bytes.ts",
    "writeByBase64(bytes.subarray(at + from, at + to), pieceOf(text, from, to))",
  ],
  ["src/base/bytes.ts", "return;"],
];

/** Of the real system, which unit tests do not have. */
const ONLY_PROCESSES: readonly (readonly [file: string, test: string])[] = [
  ["src/platform/acceptor.ts", "tests/e2e/clients/descriptors_test.ts"],
  ["src/platform/process.ts", "tests/e2e/cli/node_start_test.ts"],
];

/** Guards that nothing reaches today; each is kept for a later change that might. */
const GUARDS: readonly (readonly [file: string, code: string, reason: string])[] = [
  ["src/faults/faulty_network.ts", "return;", "a stream calls no handler after its end"],
  ["src/node/clients/proposals.ts", "nowMs", "a proposal is of some request"],
  ["src/node/log/synced_mark.ts", "new Uint8Array(0)", "recovery has read the file before"],
  ["src/node/log/log_writer.ts", "return;", "a stopped writer syncs nothing that could fail"],
  ["src/node/members/founding.ts", "return;", "a stopped transport takes no hello"],
  ["src/node/members/versions.ts", "return;", "a leader that transfers nothing takes proposals"],
  ["src/node/node.ts", "return;", "only a reply that stops the node while entries are applied"],
  ["src/node/node.ts", "term !== this.#term", "a candidate's own vote takes a turn"],
  ["src/node/peers/inbox.ts", "life", "of two lives one is first"],
  ["src/node/peers/inbox.ts", "return;", "a stream calls no handler after its end"],
  ["src/node/snapshots/snapshot_sender.ts", "return;", "a closed file answers no read"],
  ["src/node/snapshots/snapshot_taker.ts", "return;", "an abandoned snapshot has no timer"],
  ["src/platform/deno_disk.ts", '"/"', "a test may create nothing right below the root"],
  ["src/platform/deno_disk.ts", "return;", "a timer runs only while files are left"],
  [
    "src/proxy/proxy.ts",
    'throw new Error("Cannot list clients: the listener is not open yet");',
    "clients come only to a listener",
  ],
  ["src/proxy/router.ts", "return null;", "no more clients are taken than were counted"],
  ["src/proxy/router.ts", "return;", "a stopped pool and its watchers report nothing"],
  ["src/proxy/upstream.ts", "return;", "a stream calls no handler after its end"],
  ["src/proxy/watcher.ts", "return;", "a closed stream is silent, a watched node known"],
  ["src/proxy/write_sessions.ts", "this.#next = null;", "a session is lost only once it is used"],
  ["src/store/record_arena.ts", "return null;", "a scarce slab has a segment"],
  [
    "src/server/fault_commands.ts",
    "throw wrongNumberOfArguments(`fault|${this.#kind}`);",
    "the arity of the row demands the number",
  ],
];

/** No unit test executes them. */
export const NOT_EXECUTED: readonly Kept[] = [
  ...RUN_BY.flatMap(([reason, files]) => files.map((file) => ({ file, reason }))),
  ...ONLY_BUGS.map(([file, code]) => ({ file, code, reason: "only an error of the program" })),
  ...ONLY_OLDER_DENO.map(([file, code]) => ({ file, code, reason: "only an older Deno" })),
  ...ONLY_PROCESSES.map(([file, reason]) => ({ file, reason })),
  ...GUARDS.map(([file, code, reason]) => ({ file, code, reason: `guard: ${reason}` })),
];

/** No test beside their file fails when they throw. */
export const NOT_NOTICED: readonly Kept[] = [];
