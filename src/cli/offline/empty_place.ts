import { resolve } from "node:path";
import { UserError } from "../../base/errors.ts";
import { DenoDisk } from "../platform/deno_disk.ts";
import { isThere, moveDirectory } from "./staged_directory.ts";

/** A directory that is missing or empty, and is to be filled: nobody else may use it meanwhile. */
export class EmptyPlace {
  /** Absolute, without symbolic links. */
  readonly path: string;
  readonly #lock: DenoDisk | null;

  private constructor(path: string, lock: DenoDisk | null) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * @param what is to be done, for the message
   * @throws {UserError} when the directory holds something, or is in use
   */
  static async take(dir: string, what: string): Promise<EmptyPlace> {
    const path = resolve(dir);
    if (!isThere(path)) return new EmptyPlace(path, null);
    const real = Deno.realPathSync(path);
    const content = DenoDisk.openForReading(real).list("");
    const held = content.find((name) => name !== "lock");
    if (held !== undefined) {
      throw new UserError(
        `Cannot ${what} ${dir}: it holds ${JSON.stringify(held)}; ` +
          `choose a directory that is empty or missing`,
      );
    }
    // A node that was refused for want of --peers has left a lock behind; one may be starting.
    return new EmptyPlace(real, content.length === 0 ? null : await DenoDisk.open(real));
  }

  /** Puts a directory in this place, in one step. @throws {UserError} when the system refuses */
  fill(from: string): void {
    if (this.#lock !== null) Deno.removeSync(`${this.path}/lock`);
    moveDirectory(from, this.path);
  }

  leave(): void {
    this.#lock?.close();
  }
}
