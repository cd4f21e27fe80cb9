import { assertEquals, assertThrows } from "@std/assert";
import { digestsOf, reprDigestOf } from "./digests.ts";
import { checkedName, nameOfPath, pathOfFile } from "./file_name.ts";
import { disposition, safeHeaders, typeToKeep } from "./media_type.ts";
import { Problem } from "./problem.ts";
import { checksumOf, metadataOf } from "./upload_metadata.ts";

Deno.test("a name is UTF-8 in one normalisation form, however it is written", () => {
  for (
    const [path, name] of [
      ["a", "a"],
      ["a/b%2Fc", "a/b/c"],
      ["caf%C3%A9", "café"],
      ["cafe%CC%81", "café"],
      ["café", "café"],
      ["%F0%9F%8E%B5.mp3", "🎵.mp3"],
      ["..a/b..", "..a/b.."],
      ["a%20b+c", "a b+c"],
      ["%EF%BB%BFa", "\ufeffa"],
      ["x".repeat(1_024), "x".repeat(1_024)],
    ] as const
  ) assertEquals(nameOfPath(path), name);
  for (
    const path of [
      "%FF",
      "%C3",
      "%ED%A0%80",
      "a%00b",
      "a%0Ab",
      "%7F",
      "..",
      ".",
      "a/../b",
      "a%2F..%2Fb",
      "%2e%2e/a",
      "a/.",
      "50%",
      "x".repeat(1_025),
      "%C3%A9".repeat(513),
      "",
    ]
  ) assertThrows(() => nameOfPath(path), Problem, undefined, path);
  assertThrows(() => checkedName("\ud800"), Problem);
});

Deno.test("the path of a name leads to it", () => {
  for (const name of ["a", "a/b", "ü #?%\\", "🎵", "/etc/passwd", "a//b"]) {
    assertEquals(nameOfPath(pathOfFile(name)?.slice("/files/".length) ?? ""), name);
  }
  assertEquals(pathOfFile("é/#"), "/files/%C3%A9/%23");
  assertEquals([pathOfFile("a/../b"), pathOfFile("e\u0301")], [null, null]);
});

const SHA = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const SHA_HEX = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const MD5 = "1B2M2Y8AsgTpgAmY7PhCfg==";
const MD5_HEX = "d41d8cd98f00b204e9800998ecf8427e";

Deno.test("digests are taken from all headers that have them, and none is ignored", () => {
  const digests = (headers: Record<string, string>) => digestsOf(new Headers(headers));
  assertEquals(digests({}), {});
  assertEquals(digests({ "content-md5": MD5 }), { md5: MD5_HEX });
  assertEquals(digests({ "repr-digest": `sha-256=:${SHA}:, md5=:${MD5}:` }), {
    sha256: SHA_HEX,
    md5: MD5_HEX,
  });
  assertEquals(digests({ "content-digest": `sha-256=:${SHA}:` }), { sha256: SHA_HEX });
  assertEquals(reprDigestOf(SHA_HEX), `sha-256=:${SHA}:`);
  for (
    const headers of [
      { "repr-digest": "sha-512=:AAAA:" },
      { "repr-digest": `sha-256=${SHA}` },
      { "repr-digest": `sha-256=:${MD5}:` },
      { "repr-digest": "" },
      { "repr-digest": `sha-256=:${SHA}:,` },
      { "repr-digest": `SHA-256=:${SHA}:` },
      { "content-md5": SHA },
      { "content-md5": "x" },
      { "content-md5": MD5, "repr-digest": "md5=:AAAAAAAAAAAAAAAAAAAAAA==:" },
      { "digest": `sha-256=${SHA}` },
    ]
  ) assertThrows(() => digests(headers), Problem, undefined, JSON.stringify(headers));
});

Deno.test("a type is kept as given, or guessed from the name", () => {
  assertEquals(typeToKeep("Audio/FLAC; a=b", "x"), "Audio/FLAC; a=b");
  assertEquals(typeToKeep('a/b; c="d e"', "x"), 'a/b; c="d e"');
  for (
    const [name, type] of [
      ["a.mp3", "audio/mpeg"],
      ["a/b.FLAC", "audio/x-flac"],
      ["a.jpeg", "image/jpeg"],
      ["a.mp4", "video/mp4"],
      ["mp3", "application/octet-stream"],
      ["a.", "application/octet-stream"],
      ["a.unknown-extension", "application/octet-stream"],
    ] as const
  ) assertEquals(typeToKeep(null, name), type, name);
  for (
    const type of [
      "audio",
      "a/b, text/html",
      "a/b;",
      'a/b;c="d,text/html"',
      "ä/b",
      "a/" + "b".repeat(255),
    ]
  ) {
    assertThrows(() => typeToKeep(type, "x"), Problem, undefined, type);
  }
});

Deno.test("no type of file runs in a browser as a part of this site", () => {
  const of = (type: string, isDownload = false) => {
    const headers = safeHeaders({ name: "a", type }, isDownload);
    assertEquals(headers["x-content-type-options"], "nosniff");
    assertEquals(
      /^sandbox; default-src 'none'/.test(headers["content-security-policy"] ?? ""),
      true,
    );
    return `${headers["content-type"]} ${headers["content-disposition"]?.split(";")[0]}`;
  };
  for (const type of ["audio/mpeg", "video/mp4", "image/png", "text/plain; charset=utf-8"]) {
    assertEquals(of(type), `${type} inline`);
    assertEquals(of(type, true), `${type} attachment`);
  }
  for (
    const type of [
      "text/html",
      "application/xhtml+xml",
      "image/svg+xml",
      "IMAGE/SVG+xml; a=b",
      "image/x-thing+xml",
      "text/xml",
      "application/pdf",
      "multipart/x-mixed-replace",
      "text/plainx",
    ]
  ) assertEquals(of(type), `${type} attachment`);
  for (
    const type of [
      "text/javascript",
      "application/javascript; charset=utf-8",
      "Application/X-ECMAScript",
      "text/jscript",
      "text/css",
      "application/wasm",
      "image/png, text/html",
    ]
  ) assertEquals(of(type), "application/octet-stream attachment", type);
});

Deno.test("a file is saved under its last name, in any script", () => {
  assertEquals(disposition("attachment", "a/b c.mp3"), 'attachment; filename="b c.mp3"');
  assertEquals(
    disposition("attachment", 'é"\\%.mp3'),
    "attachment; filename=\"____.mp3\"; filename*=UTF-8''%C3%A9%22%5C%25.mp3",
  );
  assertEquals(disposition("inline", "///"), 'inline; filename="file"');
});

Deno.test("the metadata of an upload are pairs in base64", () => {
  assertEquals([...metadataOf("filename w7wubXAz,filetype YQ==, empty,empty2 ")], [
    ["filename", "ü.mp3"],
    ["filetype", "a"],
    ["empty", ""],
    ["empty2", ""],
  ]);
  assertEquals(metadataOf("").size, 0);
  for (
    const text of ["a b c", "a YQ==,a YQ==", "a Y", "a /w==", "ä YQ==", `a ${"A".repeat(8_192)}`]
  ) {
    assertThrows(() => metadataOf(text), Problem, undefined, text);
  }
});

Deno.test("the checksum of a part is one of three", () => {
  assertEquals(checksumOf(`md5 ${MD5}`).algorithm, "md5");
  assertEquals(checksumOf(`sha256 ${SHA}`).bytes.length, 32);
  assertEquals(checksumOf(`sha-256 ${SHA}`).algorithm, "sha256");
  assertEquals(checksumOf("sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=").algorithm, "sha1");
  for (
    const text of [
      "",
      "md5",
      `md5 ${SHA}`,
      "sha1 x",
      `crc32 ${MD5}`,
      `toString ${MD5}`,
      `MD5 ${MD5}`,
    ]
  ) {
    assertThrows(() => checksumOf(text), Problem, undefined, text);
  }
});
