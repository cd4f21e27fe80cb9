import { assert, assertEquals } from "@std/assert";
import { latin1, latin1Bytes } from "../../../src/base/bytes.ts";
import { UserError } from "../../../src/base/errors.ts";
import { openDataDirectory } from "../../../src/node/log/data_directory.ts";
import { FaultDisk } from "../../support/fault_disk.ts";
import type { FuzzTarget } from "../fuzz_target.ts";

const OPTIONS = {
  nodeId: "n1",
  nonce: "nonce",
  clusterId: "c1",
  members: new Map([
    ["n1", "127.0.0.1:17001"],
    ["n2", "127.0.0.1:17002"],
    ["n3", "127.0.0.1:17003"],
  ]),
  onFailure: (error: Error) => {
    throw error;
  },
};

function usedDisk(): FaultDisk {
  const disk = new FaultDisk();
  openDataDirectory(disk, OPTIONS).log.close();
  return disk;
}

const BASE = usedDisk();
const CONTENT = BASE.read("identity.json") ?? new Uint8Array(0);

const EXPECTED = {
  ...{ nodeId: "n1", clusterId: "c1", incarnation: "nonce" },
  ...{ members: OPTIONS.members, founders: new Map(), isFounded: true },
};

/**
 * A node that starts with a changed `identity.json`: it refuses with a message, or has its
 * identity.
 */
export const identity: FuzzTarget = {
  name: "identity",
  words: ["null", "[]", "{}", "true", "false", '"n3"', '"n2": 7', "__proto__", "127.0.0.1:17004"],
  sample: () => latin1(CONTENT, 0, CONTENT.length),
  run(input) {
    const disk = BASE.afterCrash(null);
    disk.plant("identity.json", latin1Bytes(input));
    try {
      const opened = openDataDirectory(disk, { ...OPTIONS, clusterId: null });
      opened.log.close();
      const { nodeId, clusterId, incarnation, members, founders, isFounded } = opened.identity;
      const known = { nodeId, clusterId, incarnation, members, founders, isFounded };
      assertEquals(known, EXPECTED, "another identity was accepted");
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      assert(error.message.includes("data/n1"), error.message);
    }
  },
};
