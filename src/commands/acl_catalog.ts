import { type CatalogCommand, CommandCatalog } from "../security/catalog.ts";
import { CATEGORIES, categoriesOf } from "./categories.ts";
import type { Command } from "./command.ts";
import { COMMANDS } from "./table.ts";

/** The command table as access control sees it. */
export const ACL_CATALOG: CommandCatalog = new CommandCatalog(
  CATEGORIES,
  COMMANDS.map(catalogCommand),
);

function catalogCommand(command: Command): CatalogCommand {
  return {
    name: command.name,
    categories: categoriesOf(command),
    isAlwaysAllowed: command.flags.includes("no_auth"),
    subcommands: (command.subcommands ?? []).map(catalogCommand),
  };
}
