/**
 * Regent as its next version may be: the protocol and the state machine have one version more, and
 * in the latter strings are shorter.
 */
import { main } from "../../src/cli/main.ts";
import { nodeSubcommandOf } from "../../src/cli/node.ts";
import { MACHINE_RULES } from "../../src/commands/state_machine.ts";
import { BUILD_VERSIONS } from "../../src/node/members/versions.ts";

const { protocol, machine } = BUILD_VERSIONS;
const [newest] = MACHINE_RULES.slice(-1);
if (newest === undefined) throw new Error("there are no rules");

const next = nodeSubcommandOf({
  versions: {
    protocol: { oldest: protocol.newest, newest: protocol.newest + 1 },
    machine: { ...machine, newest: machine.newest + 1 },
  },
  rules: [...MACHINE_RULES, { ...newest, stringBytesMax: 1_000 }],
});

Deno.exit(await main(Deno.args, (name) => Deno.env.get(name), [next]));
