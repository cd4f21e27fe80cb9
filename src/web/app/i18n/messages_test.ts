import { assert, assertEquals } from "@std/assert";
import { en } from "./en.ts";
import { es } from "./es.ts";

const parametersIn = (message: string) => (message.match(/\{\w+\}/g) ?? []).sort();

Deno.test("both languages have the same messages, with the same parameters", () => {
  assertEquals(Object.keys(es), Object.keys(en));
  for (const key of Object.keys(en) as (keyof typeof en)[]) {
    assertEquals(parametersIn(es[key]), parametersIn(en[key]), key);
    assert(es[key].trim() !== "" && en[key].trim() !== "", key);
  }
});

Deno.test("what depends on a number has a form for one and for others", () => {
  const keys = Object.keys(en);
  for (const key of keys.filter((key) => key.endsWith(".one"))) {
    assert(keys.includes(key.replace(/one$/, "other")), key);
  }
});

Deno.test("no message stands in the sources themselves", () => {
  const app = new URL("../", import.meta.url);
  const found: string[] = [];
  const visit = (folder: URL) => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      if (isDirectory) visit(new URL(`${name}/`, folder));
      else if (name.endsWith(".vue")) {
        const text = Deno.readTextFileSync(new URL(name, folder));
        const template = /<template>([\s\S]*)<\/template>/.exec(text)?.[1] ?? "";
        const shown = template.replace(/\{\{[\s\S]*?\}\}/g, "").replace(/<!--[\s\S]*?-->/g, "")
          .replace(/"[^"]*"/g, '""').replace(/<[^>]*>/g, "\n");
        const words = shown.match(/\p{L}{3,}/gu) ?? [];
        found.push(
          ...words.filter((word) => !["Regent", "SHA"].includes(word)).map((word) =>
            `${name}: ${word}`
          ),
        );
        for (
          const [, label] of template.matchAll(/\s(?:aria-label|title|placeholder|alt)="([^"]+)"/g)
        ) {
          found.push(`${name}: ${label}`);
        }
      }
    }
  };
  visit(app);
  assertEquals(found, []);
});

Deno.test("every message is used", () => {
  const app = new URL("../", import.meta.url);
  let text = "";
  const visit = (folder: URL) => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      if (isDirectory && name !== "i18n") visit(new URL(`${name}/`, folder));
      else if (/\.(vue|ts)$/.test(name)) text += Deno.readTextFileSync(new URL(name, folder));
    }
  };
  visit(app);
  text += Deno.readTextFileSync(new URL("i18n.ts", import.meta.url));
  const unused = Object.keys(en).filter((key) => {
    const stem = key.replace(/\.(one|other)$/, "");
    if (text.includes(`"${stem}"`) || text.includes(`'${stem}'`)) return false;
    // Or as a template: `nav.${view}`, `health.${health}Text`.
    const prefix = stem.slice(0, stem.lastIndexOf(".") + 1);
    return !text.includes(`\`${prefix}\${`);
  });
  assertEquals(unused, []);
});
