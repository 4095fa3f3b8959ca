/** What was moved, or with `--dry-run` what would be. */
export interface MoveReport {
  dryRun: boolean;
  /** True where an earlier run had moved everything and only the directory was left to make. */
  resumed: boolean;
  source: { directory: string; version: string };
  target: { database: string; version: string };
  /** The moved gateway's directory. */
  directory: string | undefined;
  /** The hash is that of both databases; absent in a dry run. */
  tables: { name: string; rows: number; hash?: string }[];
  rows: number;
  sequences: number;
  /** How many objects of each kind are the same in both databases. */
  objects: Record<string, number>;
  /** Sealed values that were opened in the target. */
  sealedValues: number;
  roles: string[];
  /** What the administrator should know. */
  notes: string[];
  seconds: number;
}

/** Where a move stands. */
export interface MoveProgress {
  step: (line: string) => void;
  rows: (state: { table: string; tableRows: number; moved: number; total: number }) => void;
}
