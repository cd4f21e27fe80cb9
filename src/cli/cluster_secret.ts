import { ClusterSecret, SECRET_BYTES_MIN } from "../access/peer_proof.ts";
import { messageOf, UserError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { SECRET_NAME } from "../node/log/data_directory.ts";
import { type Flags, optional, text } from "./flags.ts";

/** The variable that holds the secret itself. */
const SECRET_VARIABLE = "REGENT_CLUSTER_SECRET";
/** Bits of a file's mode that let others read it. */
const OTHERS = 0o077;
const NEW_SECRET_BYTES = 32;

/** The flags of all processes of a cluster. */
export const secretFlags = {
  clusterSecretFile: optional(text("FILE", {
    help: "File with the secret that all nodes and proxies of the cluster share, by which they " +
      `know each other once the user default needs a password; by default ${SECRET_VARIABLE}, or ` +
      `else a node's DIR/${SECRET_NAME}`,
  })),
} satisfies Flags;

/**
 * The secret of the cluster, of which no error and no log line shows anything.
 *
 * @param file of the flag
 * @param directory a node's data directory
 * @returns `null` if there is none
 * @throws {UserError} if it cannot be read, or is too short
 */
export function readClusterSecret(
  file: string | undefined,
  logger: Logger,
  directory?: string,
): string | null {
  if (file !== undefined) return checked(readSecretFile(file, logger), file);
  const variable = Deno.env.get(SECRET_VARIABLE);
  if (variable !== undefined && variable !== "") return checked(variable, SECRET_VARIABLE);
  if (directory === undefined) return null;
  const own = `${directory}/${SECRET_NAME}`;
  return isFile(own) ? checked(readSecretFile(own, logger), own) : null;
}

/** The secret for those who need an object. */
export function secretOf(text: string | null): ClusterSecret | null {
  return text === null ? null : new ClusterSecret(text);
}

/**
 * The first line of a file with a secret. A file that others may read gets a line in the log.
 *
 * @throws {UserError} if it cannot be read
 */
export function readSecretFile(file: string, logger: Pick<Logger, "warn">): string {
  try {
    const { mode } = Deno.statSync(file);
    if (mode !== null && (mode & OTHERS) !== 0) {
      logger.warn(`${file} can be read by other users of this machine: chmod 600 ${file}`);
    }
    return Deno.readTextFileSync(file).split(/\r?\n/, 1)[0] ?? "";
  } catch (error) {
    throw new UserError(`Cannot read ${file}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * The secret of a local cluster, which is made with its first start: a file in its directory, and a
 * copy in that of each node. Nothing is made if the environment has one.
 *
 * @returns the file; `null` if the environment has the secret
 */
export function ensureLocalSecret(
  directory: string,
  nodeDirectories: readonly string[],
): string | null {
  if ((Deno.env.get(SECRET_VARIABLE) ?? "") !== "") return null;
  const file = `${directory}/${SECRET_NAME}`;
  try {
    if (!isFile(file)) {
      const bytes = crypto.getRandomValues(new Uint8Array(NEW_SECRET_BYTES));
      const text = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      Deno.writeTextFileSync(file, `${text}\n`, { mode: 0o600, createNew: true });
    }
    const secret = Deno.readTextFileSync(file);
    for (const node of nodeDirectories) {
      const copy = `${node}/${SECRET_NAME}`;
      if (isFile(copy) && Deno.readTextFileSync(copy) === secret) continue;
      Deno.mkdirSync(node, { recursive: true, mode: 0o700 });
      Deno.writeTextFileSync(copy, secret, { mode: 0o600 });
    }
    return file;
  } catch (error) {
    throw new UserError(`Cannot keep the secret of the cluster: ${messageOf(error)}`);
  }
}

/** The file that `ensureLocalSecret` has made; `null` if the environment has the secret. */
export function localSecret(directory: string): string | null {
  const file = `${directory}/${SECRET_NAME}`;
  return (Deno.env.get(SECRET_VARIABLE) ?? "") === "" && isFile(file) ? file : null;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new UserError(`Cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function checked(secret: string, where: string): string {
  if (secret.length >= SECRET_BYTES_MIN) return secret;
  throw new UserError(
    `Cannot use the secret in ${where}: it is shorter than ${SECRET_BYTES_MIN} bytes`,
  );
}
