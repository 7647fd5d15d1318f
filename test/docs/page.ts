/**
 * A page of the documentation as its reader uses it: modules to write, commands to type, and what comes out. The page says
 * so by the language of its code blocks:
 *
 * - `ts`: a module. Named by its first line, `// job.ts`, it is written beside the others of its page.
 * - `sh`: commands. `text`, `json` or `csv` right behind them is what they print on standard output; `…` stands for any text
 *   of a line, and alone on its line for any lines.
 * - anything else is a picture or a listing.
 *
 * `<!-- not run: REASON -->` right before a block says why nobody can run it here.
 */
import { readFileSync } from 'node:fs';

export interface Block {
  readonly language: string;
  readonly text: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
  readonly notRun: string | undefined;
}

export interface Commands extends Block {
  readonly output: Block | undefined;
}

const OUTPUT = new Set(['text', 'json', 'csv']);

export class Page {
  readonly blocks: readonly Block[];

  constructor(file: string) {
    this.blocks = blocksOf(readFileSync(file, 'utf8'));
  }

  /** Modules by name; those without a name of their own are called for their line. */
  modules(): Map<string, Block> {
    const modules = this.blocks.filter(({ language, notRun }) => language === 'ts' && notRun === undefined);
    return new Map(modules.map((block) => [nameOf(block) ?? `line-${block.line}.ts`, block]));
  }

  commands(): Commands[] {
    return this.blocks.flatMap((block, i) => {
      if (block.language !== 'sh' || block.notRun !== undefined) return [];
      const next = this.blocks[i + 1];
      const follows = next !== undefined && OUTPUT.has(next.language) && next.line <= endOf(block) + 3;
      return [{ ...block, output: follows ? next : undefined }];
    });
  }
}

function endOf({ line, text }: Block): number {
  return line + text.split('\n').length;
}

/** `job.ts`, where the first line is `// job.ts`, perhaps with a remark behind it. */
function nameOf({ text }: Block): string | undefined {
  return /^\/\/ ([\w./-]+\.ts)\b/.exec(text)?.[1];
}

function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  let open: { language: string; line: number; text: string[]; notRun: string | undefined } | undefined;
  let notRun: string | undefined;
  for (const [i, line] of markdown.split('\n').entries()) {
    const fence = /^```(\w*)/.exec(line);
    if (open !== undefined) {
      if (fence === null) {
        open.text.push(line);
      } else {
        blocks.push({ ...open, text: `${open.text.join('\n')}\n` });
        open = undefined;
      }
    } else if (fence !== null) {
      open = { language: fence[1]!, line: i + 1, text: [], notRun };
      notRun = undefined;
    } else if (line.trim() !== '') {
      notRun = /^<!-- not run: (.+) -->$/.exec(line)?.[1];
    }
  }
  if (open !== undefined) throw new Error(`the block of line ${open.line} has no end`);
  return blocks;
}

/** Whether what came out is what the page shows. */
export function fits(output: string, shown: string): boolean {
  const pattern = shown
    .trimEnd()
    .split('\n')
    .map((line) => (line.trim() === '…' ? '(?:.*\\n)*?' : `${line.trimEnd().split('…').map(escapeText).join('.*')}\\n`))
    .join('');
  const lines = output.trimEnd().split('\n');
  return new RegExp(`^${pattern}$`, 'u').test(`${lines.map((line) => line.trimEnd()).join('\n')}\n`);
}

function escapeText(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
