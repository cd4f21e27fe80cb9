import { type Random, randomInteger } from "../../src/base/random.ts";
import type { StateMachine } from "../../src/commands/state_machine.ts";
import { checkRequest } from "../../src/commands/table.ts";
import { USER_RULES, userRulesRequest } from "../../src/commands/user_writes.ts";
import { encodeReply } from "../../src/resp/encode.ts";
import type { Reply } from "../../src/resp/reply.ts";
import { CommandGenerator } from "../differential/command_generator.ts";
import { RandomFiles } from "./random_files.ts";
import { replyOf } from "./reply_of.ts";

/** The requests of clients, steps of time and retries that a state machine gets, from a seed. */
export class RandomHistory {
  readonly #random: Random;
  readonly #generator: CommandGenerator;
  readonly #files: RandomFiles;
  readonly #sessions: string[] = ["0-0"];
  #timeMs = 1_700_000_000_000;

  constructor(random: Random) {
    this.#random = random;
    this.#generator = new CommandGenerator(random);
    this.#files = new RandomFiles(random);
  }

  /** Applies one request, or one step of time, to all machines. Returns the replies in RESP3. */
  step(machines: readonly StateMachine[]): string[] {
    const random = this.#random;
    if (random() < 0.2) this.#timeMs += randomInteger(random, 60);
    const args = this.#request();
    const seed = random();
    return machines.map((machine) => {
      machine.advanceTime(this.#timeMs);
      const reply = run(machine, args, this.#timeMs, () => seed);
      if (args[0] === "SESSION" && typeof reply === "string") this.#opened(reply);
      return `${args.join(" ")} → ${encodeReply(reply, 3)}`;
    });
  }

  #opened(id: string): void {
    if (!this.#sessions.includes(id)) this.#sessions.push(id);
  }

  #userRules(): readonly string[] {
    const one = (texts: readonly string[]) =>
      texts[randomInteger(this.#random, texts.length)] ?? "";
    const rules = ["on", "off", "reset", "~k\xff*", "(%R~a +get)", "+@read", "-get", "nopass"];
    return userRulesRequest(one(["default", "u", "\xff"]), [one(rules), one(rules)]);
  }

  #request(): readonly string[] {
    const random = this.#random;
    const chance = random();
    const session = this.#sessions[randomInteger(random, this.#sessions.length)] ?? "";
    if (chance < 0.03) return ["SESSION", "OPEN", String(1 + randomInteger(random, 2000))];
    if (chance < 0.04) return ["SESSION", "CLOSE", session];
    if (chance < 0.06) return this.#userRules();
    if (chance < 0.4) {
      const serial = 1 + randomInteger(random, random() < 0.1 ? 9000 : 40);
      const acked = randomInteger(random, serial);
      return [
        "ONCE",
        session,
        random() < 0.1 ? `${serial}/${acked}` : String(serial),
        ...this.#plain(),
      ];
    }
    return this.#plain();
  }

  #plain(): readonly string[] {
    const random = this.#random;
    const key = `key${randomInteger(random, 200)}`;
    const chance = random();
    if (chance < 0.2) return ["SET", key, "v", "PX", String(1 + randomInteger(random, 500))];
    if (chance < 0.35) return ["SET", key, String(random())];
    if (chance < 0.38) return ["PERSIST", key];
    if (chance < 0.45) return ["APPEND", key, "ab\xff\0".repeat(randomInteger(random, 800))];
    if (chance < 0.5) return ["RENAME", key, `key${randomInteger(random, 200)}`];
    if (chance < 0.6) return ["DEL", key];
    if (chance < 0.61) return ["SET", "long".repeat(3000) + key, "\x01".repeat(30_000)];
    if (chance < 0.63) return ["GETEX", key, "PXAT", "9007199254740993"];
    if (chance < 0.631) return ["FLUSHALL"];
    if (chance < 0.72) return this.#files.next();
    return this.#generator.next().args;
  }
}

function run(
  machine: StateMachine,
  args: readonly string[],
  nowMs: number,
  random: Random,
): Reply {
  return replyOf(() => {
    const command = args[0] === "USER-RULES" ? USER_RULES : checkRequest(args);
    return machine.execute(command, args, nowMs, random);
  });
}
