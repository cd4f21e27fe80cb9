/** The arguments of a request, the command's name first: one character (0–255) for each byte. */
export type Arguments = readonly string[];
