/** An input that once broke a promise. */
export interface KeptCase {
  readonly target: string;
  readonly input: string;
  /** What went wrong. */
  readonly was: string;
}

/** These run with every test. Append what `deno task fuzz` finds, as it prints it. */
export const CORPUS: readonly KeptCase[] = [
  {
    target: "entries",
    input: "\x01\0\0\0\0\0\0\0\x3a\0\x20\0\0\0\0\0\0",
    was: "of a term that is no safe integer: an entry for the network and none for the log",
  },
  {
    target: "file-headers",
    input: "image/+xmsvg",
    was: "a picture of a kind that may be SVG, shown within the page's site",
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
    input: '{"format":2,"nodeId":"n1","clusterId":"c1","incarnation":"i","members":' +
      '{"n1":"127.0.0.1:17001","n2":"127.0.0.1:17002","n2":"127.0.0.1:17003"},"founders":{},' +
      '"isFounded":true,"settings":{},"hasLog":true}',
    was: "believed, with two members of three",
  },
  {
    target: "node",
    input: '\x00\x00\x00\xca{"regent":3,"cluster":"c1","from":"n3","to":"n1","host":"127&0.0.1",' +
      '"port":7003,"raftHost":"127.0.0.1","raftPort":17003,"configuration":0,' +
      '"incarnation":"of n3","life":"l","founders":{},"isFounded":true}',
    was: "an address that clients were sent to",
  },
  {
    target: "node",
    input: '\x00\x00\x00\xca{"regent":3,"cluster":"c1","from":"n3","to":"n1","host":"127.0.0.1",' +
      '"port":7003,"raftHost":"127.0.0.1","raftPort":17003,"configuration":0,' +
      '"incarnation":"of n3","life":"l","founders":{},"isFounded":true}' +
      '\x00\x00\x00\x97{"type":"append","term":6,"prevIndex":6,"prevTerm":3,"commit":7,' +
      '"entries":["AwAAAAAAAAAHAAAAAAAAAAMAAAGLz+diM3sibWVtYmVycyI6W10sInJlbW92ZWQiOltdfQ=="]}',
    was: "believed, a cluster of nobody",
  },
];
