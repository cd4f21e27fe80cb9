import { assertEquals, assertMatch } from "@std/assert";
import { openssl } from "../../../tests/support/openssl.ts";
import { withTemporaryDirectory } from "../../../tests/support/temporary_directory.ts";
import { TestAuthority } from "../../../tests/support/tls/certificates.ts";
import { Certificate, Purpose, type PurposeId } from "./certificate.ts";
import { checkChain } from "./chain.ts";

const REAL = { permissions: { read: true, write: true, run: true } } as const;
const HOUR_MS = 60 * 60 * 1000;

interface Check {
  readonly intermediates?: Certificate[];
  readonly purpose?: PurposeId;
  readonly nowMs?: number;
}

function check(leaf: Certificate, authorities: Certificate[], options: Check = {}): string | null {
  const { intermediates = [], purpose = Purpose.clientAuth, nowMs = Date.now() } = options;
  return checkChain(leaf, { intermediates, authorities, purpose, nowMs });
}

const read = (path: string) => new Certificate(Deno.readTextFileSync(path));

Deno.test("a certificate needs a known authority, its time, and its use", REAL, async () => {
  await withTemporaryDirectory(async (dir) => {
    const ours = await TestAuthority.create(dir, "ca");
    const other = await TestAuthority.create(dir, "other");
    const [ca, otherCa] = [new Certificate(ours.pem), new Certificate(other.pem)];
    await ours.issue("n1");
    await ours.issue("app", { kind: "client" });
    const n1 = read(`${dir}/n1.crt`);
    assertEquals(check(n1, [ca]), null);
    assertEquals(check(n1, [otherCa, ca]), null);
    const unknown = "is not from an authority that is known here";
    assertEquals(check(n1, [otherCa]), unknown);
    assertEquals(check(n1, []), unknown);
    assertEquals(check(n1, [n1]), unknown); // no authority
    assertMatch(check(n1, [ca], { nowMs: n1.untilMs + 1 }) ?? "", /^has expired on \d{4}-/);
    assertMatch(check(n1, [ca], { nowMs: n1.fromMs - 1 }) ?? "", /^is not valid before \d{4}-/);
    const app = read(`${dir}/app.crt`);
    assertEquals(check(app, [ca]), null);
    assertMatch(check(app, [ca], { purpose: Purpose.serverAuth }) ?? "", /not made for this use/);

    const ended = await TestAuthority.create(dir, "ended", Date.now() - 48 * HOUR_MS);
    await ended.issue("n2", { nowMs: Date.now() - 48 * HOUR_MS, untilMs: Date.now() + HOUR_MS });
    const n2 = read(`${dir}/n2.crt`); // cannot outlive its authority
    assertMatch(check(n2, [new Certificate(ended.pem)]) ?? "", /^has expired on/);
  });
});

Deno.test(
  "a certificate may come from an authority below the one that is known",
  REAL,
  async () => {
    await withTemporaryDirectory(async (dir) => {
      const sign = async (
        name: string,
        issuer: string | null,
        extensions: string,
        commonName = name,
      ) => {
        const [key, out] = [`${dir}/${name}.key`, `${dir}/${name}.crt`];
        await openssl("ecparam", "-genkey", "-name", "secp384r1", "-noout", "-out", key);
        // Without identifiers of keys, only a signature tells authorities of one name apart.
        const none = "subjectKeyIdentifier=none\nauthorityKeyIdentifier=none\n";
        Deno.writeTextFileSync(`${dir}/ext`, none + extensions);
        const request = ["req", "-new", "-key", key, "-subj", `/CN=${commonName}`];
        Deno.writeTextFileSync(`${dir}/request`, await openssl(...request));
        const by = issuer === null
          ? ["-signkey", key]
          : ["-CA", `${dir}/${issuer}.crt`, "-CAkey", `${dir}/${issuer}.key`, "-CAcreateserial"];
        const ext = ["-extfile", `${dir}/ext`, "-days", "5"];
        await openssl("x509", "-req", "-in", `${dir}/request`, "-out", out, ...by, ...ext);
        return read(out);
      };
      const authority = "basicConstraints=critical,CA:true";
      const root = await sign("root", null, authority);
      const middle = await sign("middle", "root", authority);
      const leaf = await sign("leaf", "middle", "subjectAltName=DNS:n1");
      assertEquals(check(leaf, [root], { intermediates: [middle] }), null);
      assertEquals(check(leaf, [root], { intermediates: [root, middle, leaf] }), null);
      assertEquals(check(leaf, [middle]), null);
      assertMatch(check(leaf, [root]) ?? "", /known here/);
      // A leaf cannot issue certificates.
      const below = await sign("below", "leaf", "subjectAltName=DNS:n2");
      assertMatch(check(below, [root], { intermediates: [middle, leaf] }) ?? "", /known here/);
      // The name of an authority is not enough.
      const false_ = await sign("false", null, authority, "middle");
      assertMatch(check(leaf, [false_], { intermediates: [false_] }) ?? "", /known here/);
    });
  },
);
