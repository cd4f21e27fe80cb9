import { ApiError } from "./api/http.ts";
import { t } from "./i18n/i18n.ts";

/** What went wrong and what to do, in the page's language; the server's own sentence follows. */
export function explain(error: unknown): string {
  if (!(error instanceof ApiError)) return t("error.unexpected");
  const detail = error.message === "" ? "" : ` (${error.message})`;
  switch (error.status) {
    case 0:
      return t("error.unreachable");
    case 404:
      return t("error.gone");
    case 409:
      return t("error.conflict") + detail;
    case 412:
      return t("error.changed");
    case 413:
      return t("error.tooLarge") + detail;
    case 503:
      return t("error.unavailable") + detail;
    case 504:
      return t("error.unknownOutcome");
    case 507:
      return t("error.full");
    default:
      return t("error.refused", { status: String(error.status) }) + detail;
  }
}
