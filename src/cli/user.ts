import { UserError } from "../base/errors.ts";
import type { Address } from "../platform/network.ts";
import { SetReply } from "../resp/reply.ts";
import { bytesOfText, inputLines, standardInput, textOfBytes } from "./client/typed_lines.ts";
import { readSecretFile } from "./cluster_secret.ts";
import { subcommand } from "./command_line.ts";
import { addressList, optional, text, toggle, UsageError } from "./flags.ts";
import { askPassword, logIn, logInFlags } from "./log_in.ts";
import { fieldsOf, requestOfLeader } from "./resp_client.ts";
import { table } from "./table.ts";

/** How long to look for the leader, in milliseconds. */
const PATIENCE_MS = 10_000;

const ADMIN_RULES = ["allkeys", "allfiles", "allchannels", "+@all"];
const APPLICATION_RULES = [...ADMIN_RULES, "-@admin", "-@dangerous"];
const READER_RULES = ["%R~*", "%FR~*", "+@read", "+@connection", "-@dangerous", "+info"];

export const userSubcommand = subcommand({
  name: "user",
  summary: "add, list or remove the users of a cluster",
  description: "Manages the users of a running cluster, as ACL SETUSER, LIST and DELUSER do:\n" +
    "\n" +
    "  add NAME      add a user; the password is asked for, or read from a file or standard input\n" +
    "  list          print all users with their rules\n" +
    "  remove NAME   remove a user, and end its connections\n" +
    "\n" +
    "Rules are those of Redis, and %F~PATTERN, %FR~PATTERN and %FW~PATTERN for files. Without " +
    "--rules, --admin or --read-only, a user may use all keys, files and channels, but administer " +
    "nothing. The user default exists always: at first it may do everything, and needs no password.",
  flags: {
    from: addressList({
      help: "Nodes or proxies to ask; one is enough, since each knows the leader",
      defaultValue: [{ host: "127.0.0.1", port: 7000 }],
    }),
    rules: optional(text("RULES", {
      help: "add: what the user may do, such as '+@read %R~app:*'",
    })),
    admin: toggle({ help: "add: the user may do everything" }),
    readOnly: toggle({ help: "add: the user may read all keys and files" }),
    newPasswordFile: optional(text("FILE", {
      help: "add: file with the new user's password; by default it is asked for, or is the first " +
        "line of standard input",
    })),
    ...logInFlags,
  },
  words: "add NAME | list | remove NAME",
  examples: [
    "regent user add root --admin",
    "regent user add app --rules '+@read +@write ~app:*' --user root",
    "regent user list --user root",
    "regent user remove app --user root",
  ],
  async run({ from, rules, admin, readOnly, newPasswordFile, ...who }, [what, name, ...rest]) {
    const isBare = name === undefined;
    if (
      rest.length > 0 || (what === "list") !== isBare || !/^(add|list|remove)$/.test(what ?? "")
    ) {
      throw new UsageError("Cannot start: expected add NAME, list or remove NAME");
    }
    await logIn(who);
    if (isBare) await list(from);
    else if (what === "remove") await remove(from, name);
    else {
      const added = rulesOf({ rules, admin, readOnly });
      await add(from, name, added, () => newPassword(name, newPasswordFile));
    }
    return 0;
  },
});

function rulesOf({ rules, admin, readOnly }: {
  readonly rules: string | undefined;
  readonly admin: boolean;
  readonly readOnly: boolean;
}): readonly string[] {
  if ([rules !== undefined, admin, readOnly].filter(Boolean).length > 1) {
    throw new UsageError("Cannot use more than one of --rules, --admin and --read-only");
  }
  if (rules !== undefined) {
    const words = rules.split(/\s+/).filter((word) => word !== "");
    const hidden = words.find((word) => /^[><#!]/.test(word));
    if (hidden === undefined) return words.map(bytesOfText);
    throw new UsageError("Cannot use --rules: passwords do not belong on the command line");
  }
  return admin ? ADMIN_RULES : readOnly ? READER_RULES : APPLICATION_RULES;
}

async function newPassword(name: string, file: string | undefined): Promise<string> {
  if (file !== undefined) {
    return readSecretFile(file, { warn: (line) => console.error(`regent: ${line}`) });
  }
  if (!Deno.stdin.isTerminal()) {
    for await (const line of inputLines(standardInput())) return textOfBytes(line);
    return "";
  }
  const password = await askPassword(`New password of ${name}: `);
  const again = await askPassword("Again: ");
  if (password !== again) throw new UserError("Cannot add the user: the passwords differ");
  return password;
}

async function add(
  from: readonly Address[],
  name: string,
  rules: readonly string[],
  password: () => Promise<string>,
): Promise<void> {
  const known = await ask(from, "ACL", "GETUSER", bytesOfText(name));
  if (known !== null) {
    throw new UserError(`Cannot add ${name}: there is such a user; ACL SETUSER changes it`);
  }
  const typed = await password();
  if (typed === "") throw new UserError(`Cannot add ${name}: the password is empty`);
  await ask(from, "ACL", "SETUSER", bytesOfText(name), "on", `>${bytesOfText(typed)}`, ...rules);
  console.log(`${name} is added`);
  const flags = fieldsOf(await ask(from, "ACL", "GETUSER", "default")).get("flags");
  const words = flags instanceof SetReply ? flags.items : flags;
  if (!Array.isArray(words) || !words.includes("on") || !words.includes("nopass")) return;
  console.log(
    "The user default still needs no password. This turns it off: regent cli ACL SETUSER default off",
  );
}

async function list(from: readonly Address[]): Promise<void> {
  const lines = await ask(from, "ACL", "LIST");
  const rows = (Array.isArray(lines) ? lines : []).map((line) => {
    const [, name = "", state = "", ...rules] = textOfBytes(String(line)).split(" ");
    const shown = rules.map((rule) => rule.startsWith("#") ? "(password)" : rule);
    return [name, state, shown.join(" ")];
  });
  console.log(table([["user", "state", "rules"], ...rows]));
}

async function remove(from: readonly Address[], name: string): Promise<void> {
  const count = await ask(from, "ACL", "DELUSER", bytesOfText(name));
  if (count === 0) throw new UserError(`Cannot remove ${name}: there is no such user`);
  console.log(`${name} is removed`);
}

function ask(addresses: readonly Address[], ...args: readonly string[]) {
  return requestOfLeader({ addresses, args, patienceMs: PATIENCE_MS });
}
