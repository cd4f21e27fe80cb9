import type { Arguments } from "../base/byte_string.ts";
import type { Reply } from "../resp/reply.ts";
import { type NameUse, READ as READING, type Rights, WRITE as WRITING } from "../security/mod.ts";
import { argument } from "./arguments.ts";
import {
  type Command,
  type CommandContext,
  inSteps,
  rowsOf,
  Slices,
  subcommandsOf,
} from "./command.ts";
import { errorReplyOf } from "./command_error.ts";
import { parseList } from "./file_arguments.ts";
import { blobs, list, nodes, repair, stat, where, work } from "./file_reads.ts";
import {
  announce,
  commit,
  drain,
  forget,
  held,
  lost,
  putOut,
  release,
  remove,
} from "./file_writes.ts";

/** The handlers of a read in steps from a view, during which other requests may be executed. */
function onView(
  steps: (context: CommandContext, args: Arguments) => Generator<void, Reply>,
): Required<Pick<Command, "run" | "begin" | "isLong">> {
  return {
    run: (context, args) => new Slices(steps(context, args)).finish(),
    begin: (context, args) => new Slices(steps(context, args), true),
    isLong: true,
  };
}

const WRITE = { kind: "write", machineSince: 2 } as const;
const READ = { kind: "read" } as const;
/** What only nodes send: a client that does would lose files. */
const INTERNAL = { flags: ["admin"], categories: ["admin", "dangerous"] };
/** The name of the file that a command is about, which follows its own. */
function fileWith(rights: Rights): Pick<Command, "filesOf"> {
  return { filesOf: (args) => [{ name: argument(args, 2), rights }] };
}

/** All files that a list may show; those of a list that is refused anyway are all. */
function listedFiles(args: Arguments): readonly NameUse[] {
  let prefix = "";
  try {
    prefix = parseList(args).prefix;
  } catch (error) {
    errorReplyOf(error);
  }
  return [{ name: prefix, rights: READING, isPrefix: true }];
}

/** Without the container, which would bring the internal ones. */
const FILE = ["file"];

/** `FILE …`: what is known about files, and which nodes hold them. */
export const fileRows: readonly Command[] = rowsOf("file", [], [{
  name: "file",
  arity: -2,
  kind: "local",
  flags: [],
  keys: null,
  since: "0.1.0",
  summary: "Shows the files of the cluster, and which nodes hold them",
  subcommands: subcommandsOf("file", {
    group: "file",
    flags: [],
    categories: FILE,
    since: "0.1.0",
  }, [
    {
      ...READ,
      ...INTERNAL,
      ...onView(blobs),
      name: "blobs",
      arity: -3,
      summary: "Returns what is known about contents",
      help: [
        "BLOBS <blob> [<blob> ...]",
        "    Return [live|dead, size, sha256, holders] of each content, or null.",
      ],
    },
    {
      ...WRITE,
      ...fileWith(WRITING),
      name: "commit",
      arity: -9,
      flags: ["denyoom"],
      categories: ["dangerous", "file"],
      summary: "Makes a file visible whose content is on enough nodes",
      help: [
        "COMMIT <name> <blob> <size> <sha256> <copies> <node>[,<node>...] <deadline-ms>",
        "    [TYPE <type>] [OWNER <owner>] [TAGS <json>] [IFVERSION <version>|IFABSENT|IFPRESENT]",
        "    Make a file visible whose content these nodes hold; return its version, or null if",
        "    the condition is not met. Sent by a node that has received the content.",
      ],
      run: commit,
    },
    {
      ...WRITE,
      ...fileWith(WRITING),
      name: "delete",
      arity: -3,
      summary: "Deletes a file",
      help: [
        "DELETE <name> [IFVERSION <version>]",
        "    Delete a file; return 1, 0 if there is none, or null if it has another version.",
      ],
      run: remove,
    },
    {
      ...WRITE,
      ...INTERNAL,
      name: "drain",
      arity: -3,
      summary: "Moves the files of a node to other nodes",
      help: [
        "DRAIN <id> [OFF]",
        "    Move all files from a node to others; with OFF no longer. Return 1 if that is new.",
      ],
      run: drain,
    },
    {
      ...WRITE,
      ...INTERNAL,
      ...inSteps(forget),
      isLong: true,
      name: "forget",
      arity: 3,
      summary: "Takes a node from the layout of files, with all its copies",
      help: [
        "FORGET <id>",
        "    Take a node from the layout, with all its copies; return 1 if it was there, else 0.",
      ],
    },
    {
      ...WRITE,
      ...INTERNAL,
      ...inSteps(held),
      name: "held",
      arity: -4,
      summary: "Records that a node holds contents",
      help: [
        "HELD <id> <blob> [<blob> ...]",
        "    Record that a node holds contents; return how many that is new for. Sent by nodes.",
      ],
    },
    {
      ...READ,
      ...onView(list),
      name: "list",
      filesOf: listedFiles,
      arity: -2,
      summary: "Returns files in order, some in each call",
      help: [
        "LIST [PREFIX <prefix>] [CONTAINS <text>] [AFTER <cursor>] [COUNT <count>]",
        "    [BY NAME|SIZE|DATE] [REV]",
        "    Return the cursor of the next page, empty at the end, and a page of files.",
      ],
    },
    {
      ...WRITE,
      ...INTERNAL,
      ...inSteps(lost),
      name: "lost",
      arity: -4,
      summary: "Records that a node does not hold contents any more",
      help: [
        "LOST <id> <blob> [<blob> ...]",
        "    Record that a node lacks contents; return how many copies are taken off. Sent by nodes.",
      ],
    },
    {
      ...WRITE,
      ...INTERNAL,
      name: "node",
      arity: 7,
      summary: "Announces a node that holds files",
      help: [
        "NODE <id> <host>:<files-port> <weight> <capacity-bytes> <free-bytes>",
        "    Announce a node that holds files. Sent by that node.",
      ],
      run: announce,
    },
    {
      ...READ,
      name: "nodes",
      arity: 2,
      summary: "Returns the nodes that hold files",
      help: ["NODES", "    Return the nodes that hold files, with weights, space and copies."],
      run: nodes,
    },
    {
      ...WRITE,
      ...INTERNAL,
      name: "out",
      arity: 3,
      summary: "Has the copies of a silent node made elsewhere",
      help: [
        "OUT <id>",
        "    Make the copies of a silent node elsewhere, until it announces itself; return 1 if",
        "    that is new. Sent by the leader.",
      ],
      run: putOut,
    },
    {
      ...WRITE,
      ...INTERNAL,
      ...inSteps(release),
      name: "release",
      arity: -4,
      summary: "Asks whether a node may delete contents",
      help: [
        "RELEASE <id> <blob> [<blob> ...]",
        "    Return for each content 1 if the node may delete it, which then counts as deleted,",
        "    else 0. Sent by nodes.",
      ],
    },
    {
      ...READ,
      ...onView(repair),
      name: "repair",
      arity: 3,
      summary: "Returns how many copies are missing",
      help: [
        "REPAIR STATUS",
        "    Return how many files and copies there are, and how many are missing.",
      ],
    },
    {
      ...READ,
      ...fileWith(READING),
      name: "stat",
      arity: 3,
      summary: "Returns what is known about a file",
      help: ["STAT <name>", "    Return what is known about a file, or null."],
      run: stat,
    },
    {
      ...READ,
      ...fileWith(READING),
      name: "where",
      arity: 3,
      summary: "Returns which nodes hold a file, and which should",
      help: [
        "WHERE <name>",
        "    Return the place of a file on the ring, its holders and its health, or null.",
      ],
      run: where,
    },
    {
      ...READ,
      ...INTERNAL,
      ...onView(work),
      name: "work",
      arity: -3,
      summary: "Returns what a node has to do about contents",
      help: [
        "WORK <id> [AFTER <cursor>] [COUNT <count>]",
        "    Return the cursor of the next page, empty at the end, and a page of contents that a",
        "    node has to get (pull), to ask about (release) or to delete (reap).",
      ],
    },
  ]),
}]);
