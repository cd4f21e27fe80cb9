import { assert, assertEquals, assertMatch } from "@std/assert";
import { blobId, FILE_TIME_MS, FileMachine } from "../../tests/support/file_machine.ts";
import { Slices } from "./command.ts";
import { checkRequest, lookup } from "./table.ts";

const [A, B, C] = ["a", "b", "c"].map((digit) => digit.repeat(32)) as [string, string, string];

function machineOf(...nodes: readonly string[]): FileMachine {
  const machine = new FileMachine();
  machine.addNodes(...nodes);
  return machine;
}

Deno.test("every write of files needs version 2 of the state machine, and no file command has keys", () => {
  for (const { name, kind, machineSince, keys } of lookup("file")?.subcommands ?? []) {
    assertEquals(machineSince, kind === "write" ? 2 : undefined, name);
    assertEquals(keys, null, name);
  }
});

Deno.test("a committed file is found with everything that was said about it", () => {
  const one = machineOf("n1", "n2", "n3");
  const options = ["TYPE", "audio/mpeg", "OWNER", "me", "TAGS", '{"year":1999}'];
  assertEquals(one.commit("a/\xc3\xa9", A, "n2,n1", { options }), 1);
  assertEquals(one.file("STAT", "a/\xc3\xa9"), {
    name: "a/\xc3\xa9",
    version: 1,
    size: 10,
    sha256: A + A,
    type: "audio/mpeg",
    blob: A,
    copies: 3,
    "created-version": 1,
    "created-ms": FILE_TIME_MS,
    "modified-ms": FILE_TIME_MS,
    owner: "me",
    tags: '{"year":1999}',
    holders: ["n1", "n2"],
  });
  assertEquals([one.file("STAT", "a"), one.file("WHERE", "a")], [null, null]);
  const { wanted, ...where } = one.file("WHERE", "a/\xc3\xa9") as { wanted: string[] };
  assertEquals(where as unknown, {
    // The start of the SHA-256 of the text "file a/é" in UTF-8.
    id: "f9780425b3c10",
    responsible: wanted[0],
    holders: ["n1", "n2"],
    health: "degraded",
  });
  assertEquals(wanted.toSorted(), ["n1", "n2", "n3"]);
  assertEquals(one.file("HELD", "n3", A, B), 1);
  assertEquals((one.file("WHERE", "a/\xc3\xa9") as { health: string }).health, "healthy");
});

Deno.test("overwriting keeps the time of creation, and gives a higher version than any before", () => {
  const one = machineOf("n1");
  assertEquals(one.commit("f", A, "n1"), 1);
  one.timeMs += 5;
  assertEquals(one.commit("g", B, "n1"), 2);
  assertEquals(one.commit("f", C, "n1"), 3);
  const overwritten = one.file("STAT", "f") as Record<string, unknown>;
  const { "created-ms": created, "modified-ms": modified, blob } = overwritten;
  assertEquals([created, modified, blob], [FILE_TIME_MS, FILE_TIME_MS + 5, C]);
  assertEquals(overwritten["created-version"], 1);
  assertEquals(one.file("DELETE", "f"), 1);
  assertEquals(one.file("DELETE", "f"), 0);
  const again = one.commit("f", blobId(1), "n1") as number;
  assert(again > 3, `${again}`);
  const recreated = one.file("STAT", "f") as Record<string, unknown>;
  assertEquals(recreated["created-ms"], FILE_TIME_MS + 5);
  assertEquals(recreated["created-version"], again);
});

Deno.test("of 32 writers that want a file to be new exactly one wins", () => {
  const one = machineOf("n1", "n2", "n3");
  const options = ["IFABSENT"];
  const replies = Array.from(
    { length: 32 },
    (_, at) => one.commit("f", blobId(at), "n1,n2", { options }),
  );
  assertEquals(replies, [1, ...Array.from({ length: 31 }, () => null)]);
  assertEquals((one.file("STAT", "f") as { blob: string }).blob, blobId(0));
  // What the losers have written is unknown, so that it may be deleted.
  assertEquals(one.file("BLOBS", blobId(0), blobId(1)), [
    ["live", 10, A_OF(0), ["n1", "n2"]],
    null,
  ]);
});

const A_OF = (at: number) => blobId(at) + blobId(at);

Deno.test("conditions are judged by the state at the commit", () => {
  const one = machineOf("n1");
  const given = (at: number, ...options: (string | number)[]) =>
    one.commit("f", blobId(at), "n1", { options });
  assertEquals(given(1, "IFPRESENT"), null);
  assertEquals(given(2, "IFVERSION", 0), null);
  assertEquals(given(3, "ifabsent"), 1);
  assertEquals(given(4, "IFABSENT"), null);
  assertEquals(given(5, "IFVERSION", 2), null);
  assertEquals(given(6, "IFVERSION", 1), 2);
  assertEquals(given(7, "IFPRESENT"), 3);
  assertEquals(one.file("DELETE", "f", "IFVERSION", 2), null);
  assertEquals(one.file("DELETE", "f", "IFVERSION", 3), 1);
  assertEquals(one.file("DELETE", "f", "IFVERSION", 3), 0);
});

/** The reply to the commit of the first file. */
const FIRST = [1, 1, FILE_TIME_MS, FILE_TIME_MS];

Deno.test("a commit may be repeated, and its blob belongs to nothing else", () => {
  const one = machineOf("n1", "n2");
  assertEquals(one.commit("f", A, "n1,n2", { options: ["IFABSENT"] }), 1);
  assertEquals(one.commit("f", A, "n1,n2", { options: ["IFABSENT"] }), 1);
  assertEquals(one.file("NODES"), { ...one.file("NODES") as object, version: 1 });
  const other = "-FILEBLOB The id belongs to another file or content";
  assertEquals(one.commit("g", A, "n1,n2"), other);
  assertEquals(one.commit("f", A, "n1,n2", { size: 11 }), other);
  assertEquals(one.file("COMMIT", "f", A, 10, B + B, 3, "n1,n2", 0), other);
  // Even after its deadline: it is committed already.
  assertEquals(one.file("COMMIT", "f", A, 10, A + A, 3, "n1,n2", 1), FIRST);
  assertEquals(one.commit("f", B, "n1,n2"), 2);
  assertEquals(
    one.commit("f", A, "n1,n2"),
    "-FILEBLOB The content of that id was replaced or deleted",
  );
});

Deno.test("a commit after its deadline changes nothing", () => {
  const one = machineOf("n1");
  const commit = (deadlineMs: number) => one.file("COMMIT", "f", A, 1, A + A, 1, "n1", deadlineMs);
  const expired = "-FILEEXPIRED The deadline of the commit has passed, the file was not changed";
  assertEquals(commit(FILE_TIME_MS - 1), expired);
  assertEquals(one.file("STAT", "f"), null);
  assertEquals(commit(FILE_TIME_MS), FIRST);
});

Deno.test("enough nodes that are up must hold a file before it is visible", () => {
  const one = machineOf("n1", "n2", "n3", "n4");
  const few = (has: number, of: number, least: number) =>
    `-FILECOPIES ${has} of ${of} copies are confirmed, ${least} are necessary`;
  assertEquals(one.commit("f", A, "n1"), few(1, 3, 2));
  assertEquals(one.commit("f", A, "n1", { copies: 16 }), few(1, 4, 3));
  assertEquals(one.commit("f", A, "n1,n2", { copies: 16 }), few(2, 4, 3));
  assertEquals(one.commit("f", A, "n9,n1"), "-FILENODE The node n9 is not in the layout");
  assertEquals(one.file("OUT", "n1"), 1);
  assertEquals(one.commit("f", A, "n1,n2"), "-FILENODE The node n1 is out, not up");
  assertEquals(one.file("DRAIN", "n2"), 1);
  assertEquals(one.commit("f", A, "n2,n3"), "-FILENODE The node n2 is draining, not up");
  assertEquals(one.commit("f", A, "n3"), few(1, 2, 2));
  // Nodes of weight 0 hold no copies for long, but an upload may go to one.
  assertEquals(one.file("NODE", "n4", "n4:7000", 0, 1, 1), "OK");
  assertEquals(one.commit("f", A, "n4"), 1);
  assertEquals(one.file("STAT", "f") === null, false);
});

Deno.test("the content of a deleted file is dead until all its holders have said that it is gone", () => {
  const one = machineOf("n1", "n2", "n3");
  one.commit("f", A, "n1,n2");
  one.commit("f", B, "n1,n2");
  assertEquals(one.file("BLOBS", A, B, C), [
    ["dead", 10, A + A, ["n1", "n2"]],
    ["live", 10, B + B, ["n1", "n2"]],
    null,
  ]);
  assertEquals(one.file("WORK", "n1"), ["", [[A, "reap", 10, A + A, ["n1", "n2"]]]]);
  assertEquals(one.file("WORK", "n3"), ["", [[B, "pull", 10, B + B, ["n1", "n2"]]]]);
  // One that was still getting it reports late, and deletes it as well.
  assertEquals(one.file("HELD", "n3", A), 1);
  assertEquals(one.file("LOST", "n1", A, A, C), 1);
  assertEquals(one.file("RELEASE", "n2", A), [1]);
  assertEquals(one.file("BLOBS", A), [["dead", 10, A + A, ["n3"]]]);
  assertEquals(one.file("LOST", "n3", A), 1);
  assertEquals(one.file("BLOBS", A), [null]);
  assertEquals(one.file("HELD", "n3", A), 0);
  assertEquals(one.file("DELETE", "f"), 1);
  assertEquals(one.file("FORGET", "n1"), 1);
  assertEquals(one.file("FORGET", "n2"), 1);
  assertEquals(one.file("BLOBS", B), [null], "nobody is left to delete it");
  assertEquals(one.machine.files.usedBytes, 500 + "n3n3:7000".length, "only a node is left");
});

Deno.test("a copy may go only when all nodes have theirs where it belongs", () => {
  const one = machineOf("n1", "n2", "n3", "n4");
  one.commit("f", A, "n1,n2,n3,n4", { copies: 2 });
  const { wanted } = one.file("WHERE", "f") as { wanted: string[] };
  const [first = "", second = ""] = wanted;
  const [third = "", fourth = ""] = ["n1", "n2", "n3", "n4"].filter((id) => !wanted.includes(id));
  assertEquals(one.file("RELEASE", first, A, B), [0, 1]);
  assertEquals(one.file("LOST", second, A), 1);
  assertEquals(one.file("RELEASE", third, A), [0]);
  assertEquals(one.file("WORK", third), ["", []]);
  assertEquals(one.file("HELD", second, A), 1);
  assertEquals(one.file("WORK", third), ["", [
    [A, "release", 10, A + A, ["n1", "n2", "n3", "n4"]],
  ]]);
  assertEquals(one.file("RELEASE", third, A), [1]);
  assertEquals(one.file("OUT", fourth), 1);
  assertEquals(one.file("RELEASE", fourth, A), [0], "it has to announce itself first");
  for (const id of wanted) assertEquals(one.file("OUT", id), 1);
  assertEquals(one.file("OUT", third), 1);
  assertEquals(one.file("RELEASE", third, A), [0], "nobody is wanted");
  assertEquals((one.file("WHERE", "f") as { health: string }).health, "lost");
  assertEquals(one.file("REPAIR", "STATUS"), {
    files: 1,
    bytes: 10,
    blobs: 1,
    dead: 0,
    missing: 0,
    "missing-bytes": 0,
    "missing-of-lost": 0,
    below: 1,
    lost: 1,
    surplus: 3,
    nodes: 4,
    up: 0,
    out: 4,
    draining: 0,
  });
});

Deno.test("copies that are missing of lost files are counted apart", () => {
  const one = machineOf("n1", "n2", "n3");
  one.commit("lost", A, "n1,n2");
  one.commit("left", B, "n1,n2");
  const counts = () => {
    const status = one.file("REPAIR", "STATUS") as Record<string, number>;
    assertEquals(status["missing-bytes"], 10 * (status.missing ?? 0));
    return [status.missing, status["missing-of-lost"], status.lost];
  };
  assertEquals(counts(), [2, 0, 0]);
  one.file("LOST", "n1", A);
  assertEquals(counts(), [3, 0, 0]);
  one.file("LOST", "n2", A);
  assertEquals(counts(), [4, 3, 1]);
  one.file("DRAIN", "n1");
  assertEquals(counts(), [3, 2, 1], "counted anew");
  one.file("HELD", "n2", A);
  assertEquals(counts(), [2, 0, 0]);
});

Deno.test("nodes go out and come back, are drained and forgotten", () => {
  const one = machineOf("n1", "n2");
  const states = () => {
    const { nodes, revision } = one.file("NODES") as {
      nodes: Record<string, unknown>[];
      revision: number;
    };
    return [revision, ...nodes.map(({ id, state }) => `${id} ${state}`)];
  };
  assertEquals(states(), [2, "n1 up", "n2 up"]);
  assertEquals([one.file("OUT", "n1"), one.file("OUT", "n1"), one.file("OUT", "n9")], [1, 0, 0]);
  assertEquals(states(), [3, "n1 out", "n2 up"]);
  one.addNodes("n1");
  assertEquals(states(), [4, "n1 up", "n2 up"]);
  one.addNodes("n1");
  assertEquals(one.file("NODE", "n1", "n1:7000", 1, 1_000_000, 7), "OK");
  assertEquals(states(), [4, "n1 up", "n2 up"], "free space changes nothing");
  assertEquals([one.file("DRAIN", "n1"), one.file("DRAIN", "n1")], [1, 0]);
  assertEquals([one.file("DRAIN", "n9"), one.file("DRAIN", "n2", "OFF")], [0, 0]);
  assertEquals(one.file("OUT", "n1"), 1);
  assertEquals(states().slice(1), ["n1 out", "n2 up"]);
  one.addNodes("n1");
  assertEquals(states().slice(1), ["n1 draining", "n2 up"], "it is still to be drained");
  assertEquals(one.file("DRAIN", "n1", "off"), 1);
  assertEquals([one.file("FORGET", "n1"), one.file("FORGET", "n1")], [1, 0]);
  assertEquals(states().slice(1), ["n2 up"]);
  assertEquals(one.file("HELD", "n1", A), "-FILENODE The node n1 is not in the layout");
});

Deno.test("FILE NODES shows what the nodes hold, and their weights on the ring", () => {
  const one = machineOf("n1");
  assertEquals(one.file("NODE", "n2", "[::1]:7000", "2.50", 500_000, 3), "OK");
  one.commit("f", A, "n1,n2");
  one.commit("g", B, "n1,n2", { size: 5 });
  one.file("LOST", "n2", B);
  assertEquals(one.file("NODES"), {
    revision: 2,
    version: 2,
    nodes: [{
      ...{ id: "n1", address: "n1:7000", weight: "1", capacity: 1_000_000, free: 500 },
      ...{ state: "up", "ring-weight": "1", blobs: 2, bytes: 15 },
    }, {
      ...{ id: "n2", address: "[::1]:7000", weight: "2.5", capacity: 500_000, free: 3 },
      ...{ state: "up", "ring-weight": "1.25", blobs: 1, bytes: 10 },
    }],
  });
});

Deno.test("what a draining node holds counts until the others have it", () => {
  const one = machineOf("n1", "n2", "n3", "n4");
  one.commit("f", A, "n1,n2,n3", { copies: 3 });
  const health = () => (one.file("WHERE", "f") as { health: string }).health;
  const { wanted } = one.file("WHERE", "f") as { wanted: string[] };
  const [first = ""] = wanted;
  one.file("HELD", "n4", A);
  for (const id of ["n1", "n2", "n3", "n4"]) if (!wanted.includes(id)) one.file("RELEASE", id, A);
  assertEquals(health(), "healthy");
  assertEquals(one.file("DRAIN", first), 1);
  assertEquals(health(), "moving");
  assertEquals(one.file("OUT", first), 1);
  assertEquals(health(), "degraded");
});

Deno.test("invalid requests are refused with what was expected", () => {
  const one = machineOf("n1");
  const hex = A + A;
  const commit = ["COMMIT", "f", A, "1", hex, "1", "n1", "0"];
  const withArgument = (index: number, text: string) => commit.with(index, text);
  const wrong: readonly (readonly [RegExp, readonly string[]])[] = [
    [/^-ERR invalid name, expected 1 to 1024 bytes of UTF-8/, withArgument(1, "")],
    [/^-ERR invalid name/, withArgument(1, "a\nb")],
    [/^-ERR invalid name/, withArgument(1, "\x7f")],
    [/^-ERR invalid name/, withArgument(1, "\xff")],
    [/^-ERR invalid name/, withArgument(1, "\xed\xa0\x80")],
    [/^-ERR invalid name/, withArgument(1, "x".repeat(1_025))],
    [/^-ERR invalid blob, expected 32 hexadecimal digits/, withArgument(2, A.toUpperCase())],
    [/^-ERR invalid size, expected an integer from 0 to 9007199254740991/, withArgument(3, "-1")],
    [/^-ERR invalid size/, withArgument(3, "9007199254740992")],
    [/^-ERR invalid size/, withArgument(3, "01")],
    [/^-ERR invalid sha256, expected 64 hexadecimal digits/, withArgument(4, A)],
    [/^-ERR invalid copies, expected an integer from 1 to 16/, withArgument(5, "0")],
    [/^-ERR invalid copies/, withArgument(5, "17")],
    [/^-ERR invalid holders, expected 1 to 128 different nodes/, withArgument(6, "")],
    [/^-ERR invalid holders/, withArgument(6, "n1,n1")],
    [/^-ERR invalid holders/, withArgument(6, "n1,")],
    [/^-ERR invalid holders/, withArgument(6, "n 1")],
    [/^-ERR invalid deadline-ms/, withArgument(7, "soon")],
    [/^-ERR syntax error: argument 9 is no option, expected TYPE, /, [...commit, "NOPE"]],
    [/^-ERR syntax error: the value of TYPE is missing/, [...commit, "TYPE"]],
    [/^-ERR invalid type/, [...commit, "TYPE", "a\r\nSet-Cookie: x"]],
    [/^-ERR invalid type/, [...commit, "TYPE", "x".repeat(256)]],
    [/^-ERR invalid owner/, [...commit, "OWNER", "x".repeat(65)]],
    [/^-ERR invalid tags, expected a JSON object/, [...commit, "TAGS", "[]"]],
    [/^-ERR invalid tags/, [...commit, "TAGS", '{"a":{}}']],
    [/^-ERR invalid tags/, [...commit, "TAGS", '{"a":"\xff"}']],
    [/^-ERR invalid tags/, [...commit, "TAGS", `{"a":"${"x".repeat(4_096)}"}`]],
    [/^-ERR invalid version/, [...commit, "IFVERSION", "x"]],
    [/^-ERR only one of IFVERSION/, [...commit, "IFABSENT", "IFVERSION", "1"]],
    [/^-ERR only one of IFVERSION/, [...commit, "IFABSENT", "IFPRESENT"]],
    [/^-ERR wrong number of arguments for 'file\|commit'/, commit.slice(0, -1)],
    [/^-ERR syntax error: argument 3 is no option/, ["DELETE", "f", "IFABSENT"]],
    [/^-ERR invalid node, expected/, ["HELD", "n/1", A]],
    [/^-ERR invalid blob/, ["HELD", "n1", A, "x"]],
    [/^-ERR invalid blob/, ["LOST", "n1", A, "x"]],
    [/^-ERR invalid blob/, ["RELEASE", "n1", A, "x"]],
    [/^-ERR invalid blob/, ["BLOBS", "x"]],
    [/^-ERR invalid address, expected HOST:PORT/, ["NODE", "n2", "nowhere", "1", "1", "1"]],
    [/^-ERR invalid address/, ["NODE", "n2", "h\xe9:1", "1", "1", "1"]],
    [/^-ERR invalid weight, expected a decimal/, ["NODE", "n2", "h:1", "64.5", "1", "1"]],
    [/^-ERR invalid weight/, ["NODE", "n2", "h:1", "1e1", "1", "1"]],
    [/^-ERR invalid weight/, ["NODE", "n2", "h:1", "-1", "1", "1"]],
    [/^-ERR invalid capacity-bytes/, ["NODE", "n2", "h:1", "1", "x", "1"]],
    [/^-ERR invalid free-bytes/, ["NODE", "n2", "h:1", "1", "1", "x"]],
    [/^-ERR syntax error/, ["DRAIN", "n1", "ON"]],
    [/^-ERR syntax error: expected FILE REPAIR STATUS/, ["REPAIR", "NOW"]],
    [/^-ERR invalid count, expected an integer from 1 to 1000/, ["LIST", "COUNT", "1001"]],
    [/^-ERR invalid order, expected name, size or date/, ["LIST", "BY", "owner"]],
    [/^-ERR invalid cursor/, ["LIST", "BY", "SIZE", "AFTER", "x"]],
    [/^-ERR invalid cursor/, ["LIST", "BY", "SIZE", "AFTER", "1/"]],
    [/^-ERR invalid cursor/, ["LIST", "BY", "DATE", "AFTER", "x"]],
    [/^-ERR invalid cursor/, ["LIST", "AFTER", "\n"]],
    [/^-ERR invalid text/, ["LIST", "CONTAINS", "\xff"]],
    [/^-ERR invalid cursor/, ["WORK", "n1", "AFTER", "x"]],
    [/^-ERR unknown subcommand 'nope'/, ["nope"]],
  ];
  const before = JSON.stringify(one.file("NODES"));
  for (const [expected, args] of wrong) {
    assertMatch(String(one.file(...args)), expected, args.join(" "));
  }
  assertEquals(JSON.stringify(one.file("NODES")), before);
  assertEquals(one.file("LIST"), ["", []]);
});

Deno.test("the sizes of all files together stay exact numbers", () => {
  const one = machineOf("n1");
  assertEquals(one.commit("f", A, "n1", { size: Number.MAX_SAFE_INTEGER }), 1);
  const refused = "-ERR the sizes of all files together would be over 9007199254740991 bytes";
  assertEquals(one.commit("g", B, "n1", { size: 1 }), refused);
  assertEquals(one.commit("g", B, "n1", { size: 0 }), 2);
  one.file("DELETE", "f");
  one.file("LOST", "n1", A);
  assertEquals(one.commit("h", C, "n1", { size: 1 }), 4);
});

Deno.test("a layout has a bounded number of nodes", () => {
  const one = machineOf(...Array.from({ length: 128 }, (_, at) => `n${at}`));
  const full = "-FILENODE There are too many nodes for files, more than 128";
  assertEquals(one.file("NODE", "n128", "h:1", 1, 1, 1), full);
  assertEquals(one.file("NODE", "n127", "h:1", 0, 1, 1), "OK");
  assertEquals(one.file("FORGET", "n5"), 1);
  assertEquals(one.file("NODE", "n128", "h:1", 1, 1, 1), "OK");
});

Deno.test("ONCE commits a file once, and answers the same again", () => {
  const one = machineOf("n1");
  const session = one.run("SESSION", "OPEN") as string;
  const commit = ["FILE", "COMMIT", "f", A, "1", A + A, "1", "n1", "0"];
  assertEquals(one.run("ONCE", session, "1", ...commit, "IFABSENT"), FIRST);
  assertEquals(one.run("ONCE", session, "1", ...commit, "IFABSENT"), FIRST);
  assertEquals(one.run("ONCE", session, "2", "FILE", "FORGET", "n1"), 1);
  assertEquals(one.run("ONCE", session, "2", "FILE", "FORGET", "n1"), 1);
  assertMatch(
    String(one.run("ONCE", session, "3", "FILE", "STAT", "f")),
    /^-ERR ONCE takes writes/,
  );
});

Deno.test("a request about many contents works in steps, and checks all before it changes any", () => {
  const one = machineOf("n1", "n2");
  const blobs = Array.from({ length: 2_000 }, (_, at) => blobId(at));
  blobs.forEach((blob, at) => one.commit(`f${at}`, blob, "n1,n2", { copies: 2 }));
  const none = () => {};
  const refused = one.inSteps(none, "LOST", "n1", ...blobs, "x");
  assertMatch(String(refused.reply), /invalid blob/);
  const lost = one.inSteps(none, "LOST", "n1", ...blobs);
  assert(lost.steps > 8, `${lost.steps}`);
  assertEquals(lost.reply, 2_000);
  assertEquals(one.inSteps(none, "HELD", "n1", ...blobs).reply, 2_000);
  assertEquals(one.inSteps(none, "RELEASE", "n1", ...blobs).reply, blobs.map(() => 0));
  const known = one.inSteps(() => one.file("DELETE", "f1999"), "BLOBS", ...blobs)
    .reply as unknown[];
  assertEquals(known.length, 2_000);
  assert(known.every((blob) => Array.isArray(blob) && blob[0] === "live"), "it reads a view");
  const forgotten = one.inSteps(none, "FORGET", "n1");
  assert(forgotten.steps > 7, `${forgotten.steps}`);
  assertEquals(forgotten.reply, 1);
  assert(blobs.every((blob) => one.machine.files.findBlob(blob)?.holders.join() === "n2"));
  const begun = one.machine.begin(
    checkRequest(["FILE", "FORGET", "n2"]),
    ["FILE", "FORGET", "n2"],
    0,
  );
  assert(begun instanceof Slices && !begun.isConcurrent);
});

Deno.test("the status is counted from a view, and stays right while files change", () => {
  const one = machineOf("n1", "n2", "n3");
  for (let at = 0; at < 1_000; at++) one.commit(`f${at}`, blobId(at), "n1,n2", { copies: 3 });
  assertEquals(one.file("OUT", "n3"), 1);
  let deleted = 0;
  const counted = one.inSteps(() => one.file("DELETE", `f${deleted++}`), "REPAIR", "STATUS");
  assert(deleted > 2, `${deleted}`);
  const files = (reply: unknown) => (reply as { files: number }).files;
  assertEquals(files(counted.reply), 1_000);
  assertEquals(one.inSteps(() => {}, "REPAIR", "STATUS").steps, 1, "the totals are known");
  const now = one.file("REPAIR", "STATUS");
  assertEquals(files(now), 1_000 - deleted);
  assertEquals(one.restored().file("REPAIR", "STATUS"), now);
  // A layout that changes in the middle makes the count useless for later.
  assertEquals(one.file("DRAIN", "n1"), 1);
  let steps = 0;
  const changed = () => void (++steps === 1 && one.file("DRAIN", "n1", "OFF"));
  one.inSteps(changed, "REPAIR", "STATUS");
  assertEquals(one.restored().file("REPAIR", "STATUS"), one.file("REPAIR", "STATUS"));
});
