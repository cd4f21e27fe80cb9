import type { CommandCatalog } from "../security/mod.ts";
import { catalogOf } from "./categories.ts";
import { COMMANDS } from "./table.ts";

/** The command table as access control sees it. */
export const ACL_CATALOG: CommandCatalog = catalogOf(COMMANDS);
