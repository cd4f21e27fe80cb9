/** Linux counts in this unit, whatever its own clock does (`USER_HZ`). */
const TICK_US = 10_000;

/** What processes have computed, in microseconds: in their own code, and in the system's. */
export interface ProcessorTime {
  readonly userUs: number;
  readonly systemUs: number;
}

/** The mean processor time of the processes of each name while something runs. */
export async function processorTimeDuring<K extends string>(
  pids: Readonly<Record<K, readonly number[]>>,
  work: () => Promise<void>,
): Promise<Record<K, ProcessorTime>> {
  const names = Object.keys(pids) as K[];
  const before = names.map((name) => pids[name].map(processorTime));
  await work();
  const used = names.map((name, at) => {
    const processes = pids[name].map((pid, process) =>
      difference(processorTime(pid), before[at]?.[process])
    );
    return [name, mean(processes)];
  });
  return Object.fromEntries(used);
}

/** Of all threads of a process, since it began; by its `/proc/PID/stat`. */
function processorTime(pid: number): ProcessorTime {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The name of the program comes first, in parentheses, and may hold anything.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { userUs: Number(fields[11]) * TICK_US, systemUs: Number(fields[12]) * TICK_US };
}

function difference(after: ProcessorTime, before: ProcessorTime | undefined): ProcessorTime {
  return {
    userUs: after.userUs - (before?.userUs ?? 0),
    systemUs: after.systemUs - (before?.systemUs ?? 0),
  };
}

function mean(times: readonly ProcessorTime[]): ProcessorTime {
  const sum = (part: (time: ProcessorTime) => number) =>
    times.reduce((total, time) => total + part(time), 0) / times.length;
  return { userUs: sum(({ userUs }) => userUs), systemUs: sum(({ systemUs }) => systemUs) };
}
