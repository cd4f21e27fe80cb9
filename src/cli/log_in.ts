import { UserError } from "../base/errors.ts";
import { silentLogger } from "../base/logger.ts";
import { bytesOfText } from "./client/typed_lines.ts";
import { readClusterSecret, readSecretFile, secretOf } from "./cluster_secret.ts";
import { type Flags, optional, text, type Values } from "./flags.ts";
import { useCredentials } from "./resp_client.ts";

/** The variable that holds the password itself. */
const PASSWORD_VARIABLE = "REGENT_PASSWORD";

/** The flags of commands that talk to nodes and proxies as a user. */
export const logInFlags = {
  user: optional(text("NAME", {
    help: "User to log in as; by default nobody, or default if there is a password",
  })),
  clusterSecretFile: optional(text("FILE", {
    help: "File with the secret of the cluster, to do everything without a user, such as when a " +
      "password is lost",
  })),
  passwordFile: optional(text("FILE", {
    help: `File with the user's password; by default ${PASSWORD_VARIABLE}, or else it is asked for`,
  })),
} satisfies Flags;

/**
 * Has all connections of this process log in as the user of these flags.
 *
 * @throws {UserError} if there is no password
 */
export async function logIn(
  { user, passwordFile, clusterSecretFile }: Values<typeof logInFlags>,
): Promise<void> {
  const variable = Deno.env.get(PASSWORD_VARIABLE) ?? "";
  const warn = (line: string) => console.error(`regent: ${line}`);
  if (clusterSecretFile !== undefined) {
    const text = readClusterSecret(clusterSecretFile, { ...silentLogger, warn });
    return useCredentials({ secret: secretOf(text), user: null });
  }
  const known = passwordFile !== undefined
    ? readSecretFile(passwordFile, { warn })
    : variable === ""
    ? null
    : variable;
  if (user === undefined && known === null) return;
  const name = user ?? "default";
  const password = known ?? await askPassword(`Password of ${name}: `);
  useCredentials({
    secret: null,
    user: { name: bytesOfText(name), password: bytesOfText(password) },
  });
}

const ENTER = ["\r", "\n"];
const INTERRUPT = "\x03";
const END = "\x04";
const RUBOUT = ["\x7f", "\b"];

/**
 * Asks for a password on the terminal, which does not show it.
 *
 * @throws {UserError} if there is no terminal, or the user gives up
 */
export async function askPassword(question: string): Promise<string> {
  if (!Deno.stdin.isTerminal()) {
    throw new UserError(
      `Cannot ask for a password without a terminal: use --password-file or ${PASSWORD_VARIABLE}`,
    );
  }
  await writeToTerminal(question);
  Deno.stdin.setRaw(true);
  try {
    return await readHidden();
  } finally {
    Deno.stdin.setRaw(false);
    await writeToTerminal("\n");
  }
}

async function readHidden(): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(256);
  let typed = "";
  for (;;) {
    const length = await Deno.stdin.read(buffer);
    if (length === null) throw new UserError("Cannot go on without a password");
    for (const character of decoder.decode(buffer.subarray(0, length), { stream: true })) {
      if (ENTER.includes(character)) return typed;
      if (character === INTERRUPT || character === END) {
        throw new UserError("Cannot go on without a password");
      }
      typed = RUBOUT.includes(character) ? typed.slice(0, -1) : typed + character;
    }
  }
}

async function writeToTerminal(text: string): Promise<void> {
  await Deno.stderr.write(new TextEncoder().encode(text));
}
