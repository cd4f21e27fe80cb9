import type { FuzzTarget } from "./fuzz_target.ts";
import { acl } from "./targets/acl.ts";
import { commands } from "./targets/commands.ts";
import { entries } from "./targets/entries.ts";
import { fileHeaders } from "./targets/file_headers.ts";
import { frames } from "./targets/frames.ts";
import { glob } from "./targets/glob.ts";
import { identity } from "./targets/identity.ts";
import { logFiles } from "./targets/log_files.ts";
import { node } from "./targets/node.ts";
import { proxy } from "./targets/proxy.ts";
import { records } from "./targets/records.ts";
import { replies } from "./targets/replies.ts";
import { requests } from "./targets/requests.ts";
import { sessions } from "./targets/sessions.ts";
import { snapshots } from "./targets/snapshots.ts";

/** The targets within one process, by layers from the wire to whole parts. */
export const TARGETS: readonly FuzzTarget[] = [
  requests,
  replies,
  entries,
  frames,
  records,
  glob,
  acl,
  fileHeaders,
  commands,
  snapshots,
  identity,
  logFiles,
  sessions,
  node,
  proxy,
];

/** @throws {RangeError} if there is no target of that name */
export function targetNamed(name: string): FuzzTarget {
  const target = TARGETS.find((one) => one.name === name);
  if (target !== undefined) return target;
  const known = TARGETS.map((one) => one.name).join(", ");
  throw new RangeError(`Cannot fuzz: the target is one of ${known}: current value is ${name}`);
}
