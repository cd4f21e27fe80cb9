import { assertEquals } from "@std/assert";
import { randomInteger, seededRandom } from "../base/random.ts";
import { BlockList } from "./items.ts";

Deno.test("a list in blocks does what an array does, across the borders of blocks", () => {
  const random = seededRandom(5);
  const list = new BlockList<number>();
  const array: number[] = [];
  const check = (index: number) => assertEquals(list.at(index), array[index]);
  for (const [target, isGrowing] of [[20_000, true], [0, false], [8_192, true], [8_191, false]]) {
    while (isGrowing === true ? array.length < Number(target) : array.length > Number(target)) {
      const item = randomInteger(random, 1_000_000);
      if (random() < (isGrowing === true ? 0.9 : 0.1)) {
        list.push(item);
        array.push(item);
      } else assertEquals(list.pop(), array.pop());
      const index = randomInteger(random, array.length + 1);
      if (index < array.length && random() < 0.5) {
        list.set(index, item);
        array[index] = item;
      }
      check(index);
    }
    assertEquals(list.length, array.length);
    for (let index = 0; index <= array.length + 1; index += 97) check(index);
    check(array.length - 1);
  }
});

Deno.test("an empty list has nothing", () => {
  const list = new BlockList<string>();
  assertEquals([list.length, list.at(0), list.pop(), list.length], [0, undefined, undefined, 0]);
});
