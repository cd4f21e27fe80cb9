/** Ends this process when its standard input ends, and so at the latest with whoever holds that. */
export async function endWithStdin(): Promise<never> {
  for await (const _ of Deno.stdin.readable);
  Deno.exit(0);
}
