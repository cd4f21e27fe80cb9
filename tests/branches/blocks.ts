import ts from "typescript";
import { BLOCK_FUNCTION } from "./throwing_tests.ts";

/** A piece of code that runs or does not run, depending on what was decided before it. */
export interface Block {
  /** Counted from 1. */
  readonly line: number;
  /** Its first line; empty when there is no code in it. */
  readonly code: string;
  readonly from: number;
  readonly to: number;
  /** Enclosing blocks begin before it and end after it; a rest lasts until its list ends. */
  readonly kind: "function" | "statement" | "expression" | "rest";
}

type Kind = Block["kind"];

const CODE_LENGTH = 90;

const DECIDING_OPERATORS = new Set([
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
  ts.SyntaxKind.AmpersandAmpersandEqualsToken,
  ts.SyntaxKind.BarBarEqualsToken,
  ts.SyntaxKind.QuestionQuestionEqualsToken,
]);

/**
 * All blocks of a file in the order of their syntax: bodies of functions, branches, the right sides
 * of `&&`, `||` and `??`, and what follows a statement that may leave. TypeScript and the JavaScript
 * made of it have the same ones.
 */
export function blocksOf(text: string): Block[] {
  const source = ts.createSourceFile("file.ts", text, ts.ScriptTarget.Latest, true);
  const blocks: Block[] = [];
  const add = (node: ts.Node, kind: Kind, from = node.getStart(source), to = node.end) => {
    const start = ts.isBlock(node) ? node.statements[0]?.getStart(source) ?? to : from;
    const line = source.getLineAndCharacterOfPosition(start).line + 1;
    const [first = ""] = text.slice(start, to).split("\n");
    blocks.push({ line, code: first.trim().slice(0, CODE_LENGTH), from, to, kind });
  };
  const visit = (node: ts.Node): void => {
    for (const [branch, kind] of branchesOf(node)) add(branch, kind);
    for (const { first, end } of restsOf(node)) add(first, "rest", first.getStart(source), end);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return blocks;
}

/**
 * The text with a call of a global function at the start of each block, which gets the number of
 * the block. Lines stay where they are.
 *
 * @param firstNumber of the file's first block
 */
export function instrumented(text: string, firstNumber: number): string {
  const blocks = blocksOf(text);
  const inserts: { at: number; code: string }[] = [];
  const closing: { at: number; code: string }[] = [];
  for (const [i, { from, to, kind }] of blocks.entries()) {
    const call = `${BLOCK_FUNCTION}(${firstNumber + i})`;
    if (kind === "rest") inserts.push({ at: from, code: `${call};` });
    else if (kind === "expression") {
      inserts.push({ at: from, code: `(${call},` });
      closing.push({ at: to, code: ")" });
    } else if (text.startsWith("{", from)) inserts.push({ at: from + 1, code: `${call};` });
    else {
      inserts.push({ at: from, code: `{${call};` });
      closing.push({ at: to, code: "}" });
    }
  }
  // What ends at one place ends from the inside out, and before anything else begins.
  const ordered = [...closing.reverse(), ...inserts].sort((a, b) => a.at - b.at);
  let result = "";
  let done = 0;
  for (const { at, code } of ordered) {
    result += text.slice(done, at) + code;
    done = at;
  }
  return result + text.slice(done);
}

/**
 * A constant behind `??` is no block: strict indexing demands many that nothing can reach, and there
 * is no code in it.
 */
function isDefault(node: ts.Node): boolean {
  if (!ts.isBinaryExpression(node)) return false;
  const { right, operatorToken } = node;
  return operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken &&
    (/^(null|true|false|NaN|Infinity|\[\])$/.test(right.getText()) ||
      ts.isLiteralExpression(right));
}

function branchesOf(node: ts.Node): [ts.Node, Kind][] {
  if (ts.isIfStatement(node)) {
    const { thenStatement, elseStatement } = node;
    if (elseStatement === undefined || ts.isIfStatement(elseStatement)) {
      return [[thenStatement, "statement"]];
    }
    return [[thenStatement, "statement"], [elseStatement, "statement"]];
  }
  if (ts.isIterationStatement(node, false)) return [[node.statement, "statement"]];
  if (ts.isCatchClause(node)) return [[node.block, "statement"]];
  if (ts.isConditionalExpression(node)) {
    return [[node.whenTrue, "expression"], [node.whenFalse, "expression"]];
  }
  if (isDefault(node)) return [];
  if (ts.isBinaryExpression(node) && DECIDING_OPERATORS.has(node.operatorToken.kind)) {
    return [[node.right, "expression"]];
  }
  const body = ts.isFunctionLike(node) && "body" in node ? node.body as ts.Node | undefined : null;
  if (body) return [[body, ts.isBlock(body) ? "function" : "expression"]];
  return [];
}

/** The statements of a clause of `switch`, and those behind each statement that may leave. */
function restsOf(node: ts.Node): { first: ts.Node; end: number }[] {
  const isClause = ts.isCaseOrDefaultClause(node);
  if (!isClause && !ts.isBlock(node)) return [];
  const { statements } = node;
  return statements.filter((_, i) => {
    const before = statements[i - 1];
    return before === undefined ? isClause : mayLeave(before);
  }).map((first) => ({ first, end: statements.end }));
}

function mayLeave(node: ts.Node): boolean {
  if (ts.isFunctionLike(node) || ts.isClassLike(node)) return false;
  const isLeaving = ts.isReturnStatement(node) || ts.isThrowStatement(node) ||
    ts.isBreakOrContinueStatement(node);
  return isLeaving || ts.forEachChild(node, (child) => mayLeave(child) || undefined) === true;
}
