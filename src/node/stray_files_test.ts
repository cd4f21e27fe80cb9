import { assertEquals } from "@std/assert";
import { FaultDisk } from "../../tests/support/fault_disk.ts";
import { StrayFiles } from "./stray_files.ts";

Deno.test("what is not ours, cannot be read or cannot be removed is told once, by its path", () => {
  const disk = new FaultDisk();
  const failing = new Proxy(disk, {
    get(target, name) {
      if (name === "list" || name === "remove") {
        return () => {
          throw new Error("no permission");
        };
      }
      return Reflect.get(target, name, target);
    },
  });
  const lines: string[] = [];
  const strays = new StrayFiles(failing, {
    info() {},
    error() {},
    warn: (line) => lines.push(line),
  });
  for (let round = 0; round < 2; round++) {
    assertEquals([...strays.list(""), ...strays.list("log")], []);
    strays.remove("log/old");
    strays.found("log/copy");
  }
  assertEquals(lines, [
    `cannot read ${disk.root}: no permission`,
    `cannot read ${disk.root}/log: no permission`,
    `cannot remove ${disk.root}/log/old: no permission`,
    `ignores ${disk.root}/log/copy, which is not a file of Regent`,
  ]);
});
