/**
 * The bounds of access control. `checkRules` and `checkUserName` refuse what exceeds them, before
 * anything is proposed, so a later version may change these numbers. Requests at the same time can
 * exceed them together. Those that every node applies alike are `APPLIED_…`, and are far higher.
 */

/** Maximum length of a user's name in bytes. */
export const USER_NAME_BYTES_MAX = 256;
/** Maximum number of rules in one request, those in selectors included. */
export const RULES_MAX = 1_024;
/** Maximum length of all rules of one request in bytes. */
export const RULES_BYTES_MAX = 64 * 1024;
/** Maximum number of a user's passwords: a log-in compares with each of them, which is slow. */
export const PASSWORDS_MAX = 8;
/** Maximum number of a user's selectors. */
export const SELECTORS_MAX = 64;
/** Maximum number of a user's patterns of keys, files and channels, in all selectors. */
export const PATTERNS_MAX = 1_024;
/** Maximum length of one pattern in bytes. */
export const NAME_PATTERN_BYTES_MAX = 4_096;
/** Maximum number of a user's command rules, in all selectors. */
export const COMMAND_RULES_MAX = 1_024;
/** Maximum length of a user in the form of `rulesOf`, in bytes. */
export const USER_BYTES_MAX = 64 * 1024;
/**
 * Maximum number of users of a cluster. The handler of the write checks it. It is one of the state
 * machine's rules: changing it needs a new version of these.
 */
export const USERS_MAX = 10_000;
/** Maximum memory of all users in bytes, another rule of the state machine. */
export const USERS_BYTES_MAX = 64 * 1024 * 1024;
/** Maximum size of a user when rules are applied (`sizeOf`), another rule of the state machine. */
export const APPLIED_ITEMS_MAX = 8_192;
export const APPLIED_BYTES_MAX = 1024 * 1024;
/**
 * Maximum number of steps in which the names of one request are compared with patterns, about 50 ms.
 * Only long names and patterns with several stars need as many.
 */
export const MATCH_STEPS_MAX = 2 ** 24;
