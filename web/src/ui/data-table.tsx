import type { ReactElement, ReactNode } from "react";
import { useFit } from "./use-fit.ts";

/** One column of a table. */
export interface Column<Row> {
  name: string;
  cell: (row: Row) => ReactNode;
  number?: boolean;
}

interface DataTableProps<Row> {
  /** What the rows are, for who does not see the page. */
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  /** What stands here while there is no row. */
  empty: ReactNode;
}

/** Rows under columns; where there is no room for these, each row is a list of its cells. The roles are written out, since such a layout takes them away. */
export function DataTable<Row>({ label, columns, rows, keyOf, empty }: DataTableProps<Row>): ReactElement {
  const { table, fits } = useFit();
  if (rows.length === 0) {
    return <div className="empty">{empty}</div>;
  }
  return (
    <div className="table-place">
      <table ref={table} className={fits ? "table" : "table as-list"} role="table" aria-label={label}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ name, number }) => (
              <th key={name} role="columnheader" scope="col" className={number === true ? "number" : undefined}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={keyOf(row)} role="row">
              {columns.map(({ name, cell, number }) => (
                <td key={name} role="cell" data-label={name} className={number === true ? "number" : undefined}>
                  <div>{cell(row)}</div>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
