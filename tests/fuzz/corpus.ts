/** An input that once broke a promise. */
export interface KeptCase {
  readonly target: string;
  readonly input: string;
  /** What was wrong. */
  readonly was: string;
}

/** Run with every test. Append what `deno task fuzz` finds, as it prints it. */
export const CORPUS: readonly KeptCase[] = [
  {
    target: "entries",
    input: "\x01\0\0\0\0\0\0\0\x3a\0\x20\0\0\0\0\0\0",
    was: "of a term that is no safe integer: an entry for the network and none for the log",
  },
  { target: "records", input: "null", was: "an exception instead of no record" },
  {
    target: "records",
    input: '{"segme\xeetsynced":12',
    was: "an exception in the mark of the last sync",
  },
  {
    target: "log-files",
    input: 'synced\n\x00\x00\x00\x15\xe2\xbfBr{"segme\xeetsynced":12{}',
    was: "a node that did not start, with a stack instead of a message",
  },
  {
    target: "identity",
    input: '{"format":1,"nodeId":"n1","clusterId":"c1","members":{"n1":"127.0.0.1:17001",' +
      '"n2":"127.0.0.1:17002","n2":"127.0.0.1:17003"},"hasLog":true}',
    was: "believed, with two members of three",
  },
  {
    target: "node",
    input: '\x00\x00\x00\x8a{"regent":2,"cluster":"c1","from":"n3","to":"n1","host":"127&0.0.1",' +
      '"port":7003,"raftHost":"127.0.0.1","raftPort":17003,"configuration":0}',
    was: "an address that clients were sent to",
  },
  {
    target: "node",
    input: '\x00\x00\x00\x8a{"regent":2,"cluster":"c1","from":"n3","to":"n1","host":"127.0.0.1",' +
      '"port":7003,"raftHost":"127.0.0.1","raftPort":17003,"configuration":0}' +
      '\x00\x00\x00L{"term":6,"type":"append","prevIndex":6,"prevTerm":3,"commit":7,"entries":1}' +
      "\x00\x00\x004\x03\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x03\0\0\x01\x8b\xcf\xe7\x62\x33" +
      '{"members":[],"removed":[]}',
    was: "believed, a cluster of nobody",
  },
];
