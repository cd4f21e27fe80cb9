import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { captured } from "../../tests/support/captured.ts";
import { HAS_OPENSSL, openssl } from "../../tests/support/openssl.ts";
import { withTemporaryDirectory } from "../../tests/support/temporary_directory.ts";
import { Certificate } from "../platform/tls/certificate.ts";
import { CertifiedPeer } from "../platform/tls/peer.ts";

const REAL = {
  permissions: { read: true, write: true, env: true, run: true },
  ignore: !HAS_OPENSSL,
} as const;
const DAY_MS = 24 * 60 * 60 * 1000;

type Certs = (...args: string[]) => ReturnType<typeof captured>;

async function withCerts(test: (dir: string, certs: Certs) => Promise<void>): Promise<void> {
  await withTemporaryDirectory(async (parent) => {
    const dir = `${parent}/certs`;
    await test(dir, (...args) => captured(["certs", "--dir", dir, ...args]));
  });
}

/** Runs the command, which must succeed. */
async function ok(result: ReturnType<Certs>): Promise<string> {
  const { code, stdout, stderr } = await result;
  assertEquals([code, stderr], [0, ""]);
  return stdout;
}

async function refused(result: ReturnType<Certs>, code: number, reason: RegExp): Promise<void> {
  const { code: actual, stderr } = await result;
  assertEquals(actual, code, stderr);
  assertMatch(stderr, reason);
}

const text = (path: string) => Deno.readTextFileSync(path);
const certificate = (path: string) => new Certificate(text(path));

Deno.test("certs makes an authority and certificates that openssl accepts", REAL, async () => {
  await withCerts(async (dir, certs) => {
    const stdout = await ok(
      certs("n1", "n2", "proxy", "--host", "n1=10.0.0.1,n1=fd00::1,db.example", "--client", "app"),
    );
    assertStringIncludes(stdout, "n1:     ca.crt n1.crt n1.key");
    const files = [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
    const names = ["app", "ca", "n1", "n2", "proxy"];
    assertEquals(files, names.flatMap((name) => [`${name}.crt`, `${name}.key`]));
    assertEquals((Deno.statSync(dir).mode ?? 0) & 0o777, 0o700);
    for (const name of names) {
      assertEquals((Deno.statSync(`${dir}/${name}.key`).mode ?? 0) & 0o777, 0o600, name);
    }
    const verify = ["verify", "-x509_strict", "-CAfile", `${dir}/ca.crt`];
    for (const name of ["n1", "n2", "proxy"]) {
      const path = `${dir}/${name}.crt`;
      for (const purpose of ["sslserver", "sslclient"]) {
        assertEquals(await openssl(...verify, "-purpose", purpose, path), `${path}: OK\n`);
      }
    }
    await openssl(...verify, "-purpose", "sslclient", `${dir}/app.crt`);
    assertMatch(
      await openssl(...verify, "-purpose", "sslserver", `${dir}/app.crt`).catch(String),
      /unsuitable certificate purpose/,
    );
    for (const [option, host] of [["ip", "10.0.0.1"], ["ip", "fd00::1"], ["ip", "::1"]] as const) {
      await openssl(...verify, `-verify_${option}`, host, `${dir}/n1.crt`);
    }
    for (const host of ["localhost", "db.example"]) {
      await openssl(...verify, "-verify_hostname", host, `${dir}/n2.crt`);
    }
    assertMatch(
      await openssl(...verify, "-verify_ip", "10.0.0.1", `${dir}/n2.crt`).catch(String),
      /IP address mismatch/,
    );
  });
});

Deno.test(
  "certs binds a certificate to a node, to the role of a proxy, or to a client",
  REAL,
  async () => {
    await withCerts(async (dir, certs) => {
      await ok(certs("n1", "proxy-2", "--client", "app"));
      const n1 = new CertifiedPeer(certificate(`${dir}/n1.crt`));
      assertEquals([n1.isNode("n1"), n1.isNode("n2"), n1.isProxy], [true, false, false]);
      const proxy = new CertifiedPeer(certificate(`${dir}/proxy-2.crt`));
      assertEquals([proxy.mayBeNode, proxy.isProxy, proxy.clientName], [false, true, null]);
      const app = new CertifiedPeer(certificate(`${dir}/app.crt`));
      assertEquals([app.mayBeNode, app.isProxy, app.clientName], [false, false, "app"]);
    });
  },
);

Deno.test(
  "certs keeps what is there, adds what is new, and renews what is asked for",
  REAL,
  async () => {
    await withCerts(async (dir, certs) => {
      await ok(certs("n1", "--host", "n1=10.0.0.1"));
      const before = [text(`${dir}/ca.crt`), text(`${dir}/n1.crt`), text(`${dir}/n1.key`)];
      const added = await ok(certs("n1", "n2"));
      assertMatch(added, /^n1 .* kept .*10\.0\.0\.1$/m);
      assertMatch(added, /^n2 .* created /m);
      assertEquals(before, [text(`${dir}/ca.crt`), text(`${dir}/n1.crt`), text(`${dir}/n1.key`)]);
      const second = text(`${dir}/n2.crt`);

      await refused(certs("n1", "--host", "n1=10.0.0.9"), 1, /Cannot add 10\.0\.0\.9 .* --renew/);
      assertMatch(
        await ok(certs("n1", "--host", "n1=10.0.0.9", "--renew")),
        /^n1 .* renewed .*10\.0\.0\.1 10\.0\.0\.9$/m,
      );
      assertEquals(text(`${dir}/ca.crt`), before[0]);
      assert(text(`${dir}/n1.key`) !== before[2]);
      assertEquals(text(`${dir}/n2.crt`), second);
      await openssl("verify", "-CAfile", `${dir}/ca.crt`, `${dir}/n1.crt`);
      await ok(certs("--renew")); // all of them
      assert(text(`${dir}/n2.crt`) !== second);
    });
  },
);

Deno.test("certs renews what ends soon", REAL, async () => {
  await withCerts(async (dir, certs) => {
    await ok(certs("n1", "--days", "20"));
    await ok(certs("n2"));
    const soon = certificate(`${dir}/n1.crt`);
    assert(Math.abs(soon.untilMs - Date.now() - 20 * DAY_MS) < DAY_MS);
    // 20 of 20 days are left, which is more than a third.
    assertMatch(await ok(certs()), /^n1 .* kept/m);
    // One that was made for 90 days, of which 20 are left, counts as one that ends soon.
    const { issue } = await import("./certs/authority.ts");
    const authority = { certificate: text(`${dir}/ca.crt`), key: text(`${dir}/ca.key`) };
    const nowMs = Date.now() - 70 * DAY_MS;
    const options = { kind: "node", name: "n1", hosts: ["n1.example"] } as const;
    const old = await issue(authority, { ...options, nowMs, untilMs: nowMs + 90 * DAY_MS });
    Deno.writeTextFileSync(`${dir}/n1.crt`, old.certificate);
    Deno.writeTextFileSync(`${dir}/n1.key`, old.key);
    const stdout = await ok(certs());
    assertMatch(stdout, /^n1 .* renewed .*n1\.example/m);
    assertMatch(stdout, /^n2 .* kept/m);
  });
});

Deno.test("certs renews a certificate whose key was replaced without it", REAL, async () => {
  await withCerts(async (dir, certs) => {
    await ok(certs("n1", "n2"));
    Deno.copyFileSync(`${dir}/n2.key`, `${dir}/n1.key`); // as after an interruption
    assertMatch(await ok(certs()), /^n1 .* renewed/m);
  });
});

Deno.test("certs overwrites nothing by accident", REAL, async () => {
  await withCerts(async (dir, certs) => {
    await refused(certs(), 2, /expected the NAMEs/);
    await refused(certs("n1", "n1"), 2, /two certificates for n1/);
    await refused(certs("ca"), 2, /it is no name/);
    await refused(certs("a/b"), 2, /it is no name/);
    await refused(certs("n1", "--host", "n2=10.0.0.1"), 2, /--host for n2, which is not named/);
    await refused(certs("n1", "--host", "a b"), 2, /expected HOST or NAME=HOST/);
    await ok(certs("n1"));
    await refused(certs("--client", "n1", "--renew"), 1, /not the certificate of a client/);

    Deno.renameSync(`${dir}/n1.crt`, `${dir}/n1.away`);
    await refused(certs("n1", "--renew"), 1, /n1\.key, whose \.crt is not there: move it away/);
    Deno.renameSync(`${dir}/n1.away`, `${dir}/n1.crt`);

    Deno.renameSync(`${dir}/ca.key`, `${dir}/ca.away`);
    await refused(certs("n2"), 1, /Cannot go on without .*ca\.key: certificates are made where/);
    Deno.renameSync(`${dir}/ca.crt`, `${dir}/ca.crt.away`);
    await refused(certs("n1"), 1, /n1\.crt is there, and its authority is not/);

    Deno.removeSync(`${dir}/n1.crt`);
    Deno.removeSync(`${dir}/n1.key`);
    await ok(certs("n2")); // another authority
    Deno.writeTextFileSync(`${dir}/n3.crt`, text(`${dir}/ca.crt.away`));
    Deno.copyFileSync(`${dir}/n2.key`, `${dir}/n3.key`);
    await refused(certs("n3", "--renew"), 1, /another authority made it/);
    Deno.writeTextFileSync(`${dir}/n3.crt`, "nothing");
    await refused(certs("n3"), 1, /Cannot find a certificate in .*n3\.crt/);
  });
});

Deno.test("certs replaces an authority while both are trusted", REAL, async () => {
  await withCerts(async (dir, certs) => {
    await ok(certs("n1"));
    const old = { ca: text(`${dir}/ca.crt`), n1: text(`${dir}/n1.crt`) };
    await refused(certs("--new-authority", "n1"), 2, /with anything but --dir/);
    assertMatch(await ok(certs("--new-authority")), /a new authority, and 1 older ones/);
    await openssl("verify", "-CAfile", `${dir}/ca.crt`, `${dir}/n1.crt`); // the old one
    assertEquals((Deno.statSync(`${dir}/ca.key`).mode ?? 0) & 0o777, 0o600);
    await refused(certs("--drop-old-authority"), 1, /n1 would not be trusted; renew first/);
    assertMatch(await ok(certs()), /^n1 .* kept, from the old authority/m);
    assertMatch(await ok(certs("--renew", "n1")), /^n1 .* renewed/m);
    await openssl("verify", "-CAfile", `${dir}/ca.crt`, `${dir}/n1.crt`); // the new one
    await ok(certs("--drop-old-authority"));
    await openssl("verify", "-CAfile", `${dir}/ca.crt`, `${dir}/n1.crt`);
    assertEquals(Certificate.allOf(text(`${dir}/ca.crt`)).length, 1);
    Deno.writeTextFileSync(`${dir}/old.pem`, old.n1);
    assertMatch(
      await openssl("verify", "-CAfile", `${dir}/ca.crt`, `${dir}/old.pem`).catch(String),
      /unable to get local issuer/,
    );
  });
});

Deno.test("certs warns of a directory that others may enter", REAL, async () => {
  await withCerts(async (dir, certs) => {
    Deno.mkdirSync(dir);
    Deno.chmodSync(dir, 0o755);
    const { code, stderr } = await certs("n1");
    assertEquals([code, stderr], [0, `regent: others may enter ${dir}: chmod 700 ${dir}\n`]);
  });
});
