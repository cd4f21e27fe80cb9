/** One `# Section` of `INFO`. */
export interface InfoSection {
  /** Lower case, as a client asks for it; shown with a capital. */
  readonly name: string;
  readonly fields: readonly (readonly [name: string, value: string | number])[];
}

/**
 * The text of `INFO` in Redis's form.
 *
 * @param wanted the sections asked for; none, `default`, `all` and `everything` mean all of them
 */
export function infoText(sections: readonly InfoSection[], wanted: readonly string[]): string {
  const names = new Set(wanted.map((name) => name.toLowerCase()));
  const isAll = ["default", "all", "everything"].some((name) => names.has(name));
  return sections
    .filter(({ name }) => names.size === 0 || isAll || names.has(name))
    .map(({ name, fields }) => {
      const title = `# ${name.charAt(0).toUpperCase()}${name.slice(1)}\r\n`;
      return title + fields.map(([field, value]) => `${field}:${value}\r\n`).join("");
    })
    .join("\r\n");
}
