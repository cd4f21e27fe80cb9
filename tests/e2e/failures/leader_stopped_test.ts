import { assert, assertEquals, assertLess, assertNotEquals } from "@std/assert";
import { ErrorReply, type Reply } from "../../../src/resp/reply.ts";
import { PATIENT } from "../../support/calm.ts";
import { outcomeOf } from "../../support/history.ts";
import { ask, type Member, roleOf } from "../../support/local_cluster.ts";
import { PatientClient } from "../../support/patient_client.ts";
import { replyText } from "../../support/reply_text.ts";
import { until } from "../../support/until.ts";
import {
  assertHistoryIn,
  assertNoErrors,
  assertShortGaps,
  underLoad,
  untilCaughtUp,
} from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

const CLIENTS = 8;

Deno.test("a leader that was suspended for a while serves nothing stale and loses nothing", async () => {
  await withCluster(PATIENT, async (cluster) => {
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      const stopped = await cluster.leader();
      const termBefore = (await roleOf(stopped))?.term ?? 0;
      const old = await OldLeaderClients.connect(stopped);
      try {
        assertEquals(replyText(await ask(cluster.proxy, ["SET", "watched", "old"])), "OK");
        await stopped.process.signal("SIGSTOP");
        // The first input of the old leader when it resumes, before any message of others.
        const early = old.sendAll("early");
        await load.untilMore(20);
        await until("the new value is written", async () => {
          return replyText(await ask(cluster.proxy, ["SET", "watched", "new"])) === "OK";
        });
        assertNotEquals((await cluster.leader()).name, stopped.name);

        const late = old.sendAll("late");
        await stopped.process.signal("SIGCONT");
        await Promise.all([early, late]);
        console.log(old.describe());
        assertEquals(old.staleReads(), []);

        await untilCaughtUp(cluster, stopped);
        const report = await roleOf(stopped);
        assertEquals(report?.role, "follower");
        assertLess(termBefore, report?.term ?? 0);
        await load.untilMore(20);
        assertEquals(await old.brokenWords(cluster.proxy), []);
      } finally {
        old.close();
      }
    });
    console.log(load.describe());
    assertNoErrors(load);
    assertShortGaps(load);
    await assertHistoryIn(cluster, load);
  });
});

Deno.test("leaders that are suspended and resumed repeatedly lose nothing", async () => {
  await withCluster(PATIENT, async (cluster) => {
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      for (let round = 0; round < 3; round++) {
        const stopped = await cluster.leader();
        await stopped.process.signal("SIGSTOP");
        await load.untilMore(10);
        await stopped.process.signal("SIGCONT");
        await load.untilMore(10);
      }
    });
    console.log(load.describe());
    assertNoErrors(load);
    assertShortGaps(load);
    await cluster.untilServing();
    await assertHistoryIn(cluster, load);
  });
});

/**
 * Connections to a node that believes that it leads when it resumes. Some only read, some only
 * write, some do both in one packet.
 */
class OldLeaderClients {
  readonly #clients: readonly PatientClient[];
  readonly #reads: (Reply | null)[] = [];
  readonly #writes = new Map<string, Reply | null>();

  private constructor(clients: readonly PatientClient[]) {
    this.#clients = clients;
  }

  static async connect({ port }: Member): Promise<OldLeaderClients> {
    const connections = Array.from(
      { length: CLIENTS },
      () => PatientClient.connect({ port }),
    );
    return new OldLeaderClients(await Promise.all(connections));
  }

  /** Sends everything; resolves when everything is answered or lost. */
  async sendAll(when: string): Promise<void> {
    await Promise.all(this.#clients.flatMap((client, id) => {
      const key = `written while stopped:${when}:${id}`;
      const write = id % 3 !== 0;
      const read = id % 3 !== 1;
      return [
        write ? this.#request(client, ["SET", key, "x"], (to) => this.#writes.set(key, to)) : null,
        read ? this.#request(client, ["GET", "watched"], (to) => this.#reads.push(to)) : null,
      ];
    }));
  }

  staleReads(): Reply[] {
    const isRight = (reply: Reply | null) =>
      reply === "new" || reply === null || reply instanceof ErrorReply;
    assert(this.#reads.length > 0, "nothing was read");
    return this.#reads.filter((reply) => !isRight(reply));
  }

  describe(): string {
    const texts = [...this.#reads, ...this.#writes.values()].map(replyText);
    return `the old leader's answers: ${JSON.stringify(texts)}`;
  }

  /** Keys that were acknowledged and are missing, or were refused and exist. */
  async brokenWords(proxy: Member): Promise<string[]> {
    const broken: string[] = [];
    for (const [key, reply] of this.#writes) {
      const isThere = await ask(proxy, ["EXISTS", key]) === 1;
      const isRefused = reply instanceof ErrorReply && outcomeOf(reply.text) === "refused";
      if (replyText(reply) === "OK" && !isThere) broken.push(`${key} was acknowledged and is lost`);
      if (isRefused && isThere) broken.push(`${key} was refused and is there`);
    }
    return broken;
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  async #request(
    client: PatientClient,
    args: readonly string[],
    ended: (reply: Reply | null) => void,
  ): Promise<void> {
    ended(await client.request(args).catch(() => null));
  }
}
