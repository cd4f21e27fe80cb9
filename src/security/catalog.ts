/** A command as access control knows it. */
export interface CatalogCommand {
  /** In lower case. A subcommand has its container's name before it, `client|kill`. */
  readonly name: string;
  /** Without `@`. */
  readonly categories: readonly string[];
  /** Whether everybody may run it (`no_auth`): `AUTH`, `HELLO`, `QUIT`, `RESET`. */
  readonly isAlwaysAllowed: boolean;
  /** Of a container. Empty for other commands. */
  readonly subcommands: readonly CatalogCommand[];
}

/** The commands and categories of one version, which the command table provides. */
export class CommandCatalog {
  /** In the order in which `ACL CAT` returns them, without `@`. */
  readonly categories: readonly string[];
  /** Without subcommands. */
  readonly commands: readonly CatalogCommand[];
  readonly #byName: ReadonlyMap<string, CatalogCommand>;

  constructor(categories: readonly string[], commands: readonly CatalogCommand[]) {
    this.categories = categories;
    this.commands = commands;
    this.#byName = new Map(
      commands.flatMap((one) => [one, ...one.subcommands]).map((one) => [one.name, one]),
    );
  }

  /** The command or subcommand of that full name in lower case. */
  find(name: string): CatalogCommand | undefined {
    return this.#byName.get(name);
  }

  /** The full names of a category's commands, as `ACL CAT <category>`; `null` if it is unknown. */
  namesIn(category: string): readonly string[] | null {
    if (!this.categories.includes(category)) return null;
    return [...this.#byName.values()]
      .filter(({ categories }) => categories.includes(category))
      .map(({ name }) => name);
  }
}
