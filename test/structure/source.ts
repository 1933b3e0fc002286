import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** What a source file imports, and which globals it uses; read from its syntax tree. */

const project = fileURLToPath(new URL('../../', import.meta.url));

export interface Import {
  /** As it stands, or the path from the project's folder for a relative one. */
  readonly target: string;
  /** Nothing of it is there at run time. */
  readonly isType: boolean;
}

export interface Source {
  /** From the project's folder, with `/`. */
  readonly path: string;
  readonly imports: readonly Import[];
  /** Names that the file does not declare, with their line; `Math.random` for a member of Math. */
  readonly globals: readonly { readonly name: string; readonly line: number }[];
  /** Lines with `async`, `await` or a dynamic import. */
  readonly async: readonly number[];
}

/** All TypeScript files below a folder, if there is one. */
export function sourcesIn(folder: string): Source[] {
  let entries: ReturnType<typeof list>;
  try {
    entries = list(folder);
  } catch {
    return [];
  }
  return entries.filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts')).map(readSource);
}

function list(folder: string): string[] {
  return readdirSync(join(project, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
    .map((entry) => posix.join(entry.parentPath.slice(project.length).replaceAll('\\', '/'), entry.name))
    .sort();
}

export function readSource(path: string): Source {
  return parseSource(path, readFileSync(join(project, path), 'utf8'));
}

export function parseSource(path: string, text: string): Source {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports: Import[] = [];
  const asyncLines: number[] = [];
  const declared = new Set<string>();
  const used: { name: string; line: number }[] = [];
  const lineOf = (node: ts.Node): number => file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
  const addImport = (specifier: ts.Expression, isType: boolean): void => {
    if (!ts.isStringLiteralLike(specifier)) return;
    const { text: name } = specifier;
    imports.push({ target: name.startsWith('.') ? posix.join(dirname(path), name) : name, isType });
  };

  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) addImport(node.moduleSpecifier, isTypeImport(node));
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      addImport(node.moduleSpecifier, node.isTypeOnly);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      addImport(node.argument.literal as ts.Expression, true);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      asyncLines.push(lineOf(node));
      if (node.arguments[0] !== undefined) addImport(node.arguments[0], false);
    }
    if (node.kind === ts.SyntaxKind.AsyncKeyword || ts.isAwaitExpression(node)) asyncLines.push(lineOf(node));
    if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) asyncLines.push(lineOf(node));
    const name = (node as { name?: ts.Node }).name;
    if (name !== undefined && ts.isIdentifier(name) && isDeclaration(node)) declared.add(name.text);
    if (ts.isIdentifier(node) && isReference(node)) used.push({ name: withMember(node), line: lineOf(node) });
    ts.forEachChild(node, visit);
  };
  visit(file);
  const globals = used.filter(({ name }) => !declared.has(name.split('.')[0]!));
  return { path, imports, globals, async: asyncLines };
}

function isTypeImport({ importClause }: ts.ImportDeclaration): boolean {
  if (importClause === undefined) return false;
  if (importClause.isTypeOnly) return true;
  const { name, namedBindings } = importClause;
  if (name !== undefined || namedBindings === undefined || !ts.isNamedImports(namedBindings)) return false;
  return namedBindings.elements.length > 0 && namedBindings.elements.every((element) => element.isTypeOnly);
}

function isDeclaration(node: ts.Node): boolean {
  return (
    ts.isVariableDeclaration(node) ||
    ts.isParameter(node) ||
    ts.isBindingElement(node) ||
    ts.isFunctionDeclaration(node) ||
    ts.isFunctionExpression(node) ||
    ts.isClassDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isImportSpecifier(node) ||
    ts.isImportClause(node) ||
    ts.isNamespaceImport(node)
  );
}

/** Whether an identifier stands for a value by its own name: not a member, a key or a part of a type. */
function isReference(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) return false;
  if (ts.isTypeReferenceNode(parent) || ts.isQualifiedName(parent)) return false;
  const named = parent as { name?: ts.Node; propertyName?: ts.Node };
  if (ts.isShorthandPropertyAssignment(parent)) return true;
  return named.name !== node && named.propertyName !== node;
}

/** `Math.random` rather than `Math`; for anything else the name, and the member of any object as `.name`. */
function withMember(node: ts.Identifier): string {
  const { parent } = node;
  const member =
    ts.isPropertyAccessExpression(parent) && parent.expression === node ? parent.name.text : undefined;
  return node.text === 'Math' ? `Math.${member ?? '*'}` : node.text;
}
