import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/config/package-root.ts";

/** A block of commands of the runbook. */
export interface Block {
  /** What its heading says. */
  section: string;
  /** Line of the page that its first command is in. */
  line: number;
  commands: string;
}

const readPage = (): string => readFileSync(join(packageRoot(), "docs/RUNBOOK.md"), "utf8");

/** The hosts that the page says for one machine. */
export function readHosts(): { WORK_HOST: string; HOME_HOST: string } {
  const [, WORK_HOST, HOME_HOST] =
    /`WORK_HOST=([^`\s]+)` and `HOME_HOST=([^`\s]+)`/.exec(readPage()) ??
    raise("the page says no hosts for one machine");
  return WORK_HOST === undefined || HOME_HOST === undefined ? raise("a host is missing") : { WORK_HOST, HOME_HOST };
}

/** The blocks that are for a tier, in the order of the page: those that say no tier are for each. */
export function readRunbook(tier: string): Block[] {
  const lines = readPage().split("\n");
  const blocks: Block[] = [];
  let section = "";
  let open: Block | undefined;
  for (const [index, line] of lines.entries()) {
    if (open !== undefined) {
      if (line === "```") {
        open = undefined;
      } else {
        open.commands += `${line}\n`;
      }
    } else if (line.startsWith("## ")) {
      section = line.slice(3);
    } else if (line.startsWith("```")) {
      const [, tiers] = /^```sh(?: tier=(\S+))?$/.exec(line) ?? raise(`line ${index + 1} begins no block of commands`);
      open = { section, line: index + 2, commands: "" };
      if (tiers === undefined || tiers.split(",").includes(tier)) {
        blocks.push(open);
      }
    }
  }
  return blocks;
}

function raise(message: string): never {
  throw new Error(message);
}

/** One shell, as somebody has it open who follows the page. */
export interface Shell {
  /** Runs commands as they are; what they printed. Rejects where one of them failed, which ends the shell. */
  run(commands: string): Promise<string>;
  /** Ends it and everything that it has started. */
  end(): Promise<void>;
}

/** Opens bash in a folder; a command that fails ends it, as nobody would go on. */
export function openShell(folder: string, env: NodeJS.ProcessEnv): Shell {
  // Of a process group of its own, so that what it leaves running can be ended.
  const shell = spawn("bash", ["--noprofile", "--norc", "-e"], { cwd: folder, env, detached: true });
  const ended = once(shell, "exit");
  let output = "";
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  }
  let count = 0;
  return {
    run: async (commands) => {
      count += 1;
      const [script, done] = [join(folder, `block-${count}.sh`), join(folder, `block-${count}.done`)];
      writeFileSync(script, commands);
      output = "";
      shell.stdin.write(`source '${script}'; touch '${done}'\n`);
      while (!existsSync(done)) {
        if (shell.exitCode !== null) {
          throw new Error(`a command failed, exit code ${shell.exitCode}:\n${output}`);
        }
        await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 50))]);
      }
      // What was written before the file was is read by now, or in a moment.
      await new Promise((resolve) => setTimeout(resolve, 50));
      return output;
    },
    end: async () => {
      if (shell.pid !== undefined) {
        killGroup(shell.pid);
      }
      await ended;
    },
  };
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    // All of it has ended by itself.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) {
      throw error;
    }
  }
}
