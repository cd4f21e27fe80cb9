import { assertEquals, assertThrows } from "@std/assert";
import { openssl } from "../../../tests/support/openssl.ts";
import { withTemporaryDirectory } from "../../../tests/support/temporary_directory.ts";
import { Certificate, ipBytes, Purpose } from "./certificate.ts";
import { CertifiedPeer } from "./peer.ts";

const REAL = { permissions: { read: true, write: true, run: true } } as const;

/** A self-signed certificate. @param extensions of a section of an openssl configuration */
async function certificate(subject: string, extensions: string): Promise<Certificate> {
  return await withTemporaryDirectory(async (dir) => {
    const config = `${dir}/config`;
    Deno.writeTextFileSync(
      config,
      `[req]\ndistinguished_name=name\nx509_extensions=all\n[name]\n[all]\n${extensions}\n`,
    );
    await openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", `${dir}/key`);
    const request = ["req", "-x509", "-new", "-key", `${dir}/key`, "-subj", subject];
    return new Certificate(await openssl(...request, "-config", config, "-days", "10"));
  });
}

Deno.test("the names of a certificate are read as they are", REAL, async () => {
  const { dnsNames, uris, ips, commonNames } = await certificate(
    "/O=Ö/CN=n1/CN=zwei",
    "subjectAltName=@alt\n[alt]\nDNS.1=a.example\nDNS.2=*.b.example\nURI.1=regent://node/n1\n" +
      "IP.1=10.0.0.1\nIP.2=fe80:0:0::1\nemail.1=a@b.c\nRID.1=1.2.3.4\n" +
      "otherName.1=1.2.3.4;UTF8:x\n",
  );
  assertEquals(commonNames, ["n1", "zwei"]);
  assertEquals(dnsNames, ["a.example", "*.b.example"]);
  assertEquals(uris, ["regent://node/n1"]);
  assertEquals(ips, ["10.0.0.1", "[fe80::1]"]);
});

Deno.test("a name that looks like several is one name", REAL, async () => {
  const spoof = await certificate(
    "/CN=x",
    "subjectAltName=@alt\n[alt]\nDNS.1=x\\, URI:regent://node/n1\\, DNS:localhost\n",
  );
  // The runtime's text is what must not be split.
  assertEquals(spoof.x509.subjectAltName?.includes(", URI:regent://node/n1"), true);
  assertEquals(spoof.dnsNames, ["x, URI:regent://node/n1, DNS:localhost"]);
  assertEquals([new CertifiedPeer(spoof).isNode("n1"), spoof.isForHost("localhost")], [
    false,
    false,
  ]);
});

Deno.test("a host must match a name or an address", REAL, async () => {
  const one = await certificate(
    "/CN=common.example",
    "subjectAltName=DNS:A.example,DNS:*.b.example,DNS:*.com,IP:10.0.0.1,IP:::1\n",
  );
  const hosts = ["a.example", "A.EXAMPLE.", "x.b.example", "10.0.0.1", "::1", "0:0:0:0:0:0:0:1"];
  assertEquals(hosts.filter((host) => !one.isForHost(host)), []);
  const others = [
    "b.example",
    "x.y.b.example",
    ".b.example",
    "x.com",
    "common.example",
    "10.0.0.2",
  ];
  assertEquals(others.filter((host) => one.isForHost(host)), []);
  assertEquals((await certificate("/CN=10.0.0.1", "keyUsage=digitalSignature")).ips, []);
});

Deno.test("a certificate tells what it may be used for", REAL, async () => {
  const { serverAuth, clientAuth } = Purpose;
  const usesOf = (one: Certificate) => [serverAuth, clientAuth].map((use) => one.isFor(use));
  const withUse = (use: string) => certificate("/CN=x", `extendedKeyUsage=${use}`);
  assertEquals(usesOf(await certificate("/CN=x", "keyUsage=digitalSignature")), [true, true]);
  assertEquals(usesOf(await withUse("serverAuth")), [true, false]);
  assertEquals(usesOf(await withUse("clientAuth")), [false, true]);
  assertEquals(usesOf(await withUse("anyExtendedKeyUsage")), [true, true]);
  assertEquals(usesOf(await withUse("codeSigning")), [false, false]);
});

Deno.test(
  "what is no certificate of version 3 is refused, whatever its bytes are",
  REAL,
  async () => {
    await withTemporaryDirectory(async (dir) => {
      await openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", `${dir}/key`);
      await openssl(
        "req",
        "-new",
        "-key",
        `${dir}/key`,
        "-subj",
        "/CN=n1",
        "-out",
        `${dir}/request`,
      );
      const sign = ["x509", "-req", "-in", `${dir}/request`, "-signkey", `${dir}/key`];
      const old = await openssl(...sign, "-days", "10");
      assertThrows(() => new Certificate(old), Error, "has X.509 version 1, not 3");
    });
    const good =
      (await certificate("/CN=n1", "subjectAltName=DNS:a,IP:::1,URI:regent://node/n1")).x509.raw;
    let refused = 0;
    for (let at = 0; at < good.length; at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const bytes = new Uint8Array(good);
        bytes[at] = (bytes[at] ?? 0) ^ flip;
        try {
          new CertifiedPeer(new Certificate(bytes)).isNode("n1");
        } catch (error) {
          refused++;
          assertEquals(error instanceof Error, true);
        }
      }
      try {
        new Certificate(good.subarray(0, at));
        throw new RangeError(`a certificate that ends at ${at}`);
      } catch (error) {
        if (error instanceof RangeError) throw error;
      }
    }
    assertEquals(refused > 50, true);
  },
);

Deno.test("IP addresses are told from names", () => {
  assertEquals(ipBytes("10.0.0.255"), new Uint8Array([10, 0, 0, 255]));
  const ip6 = (...bytes: number[]) =>
    new Uint8Array([...Array(16 - bytes.length).fill(0), ...bytes]);
  assertEquals(ipBytes("::1"), ip6(1));
  assertEquals(ipBytes("::ffff:10.0.0.1"), ip6(0xff, 0xff, 10, 0, 0, 1));
  assertEquals(ipBytes("1:2:3:4:5:6:7:8")?.length, 16);
  assertEquals(ipBytes("fe80::")?.[0], 0xfe);
  for (const name of ["localhost", "10.0.0", "10.0.0.256", "a:b", ""]) {
    assertEquals(ipBytes(name), null, name);
  }
});
