/** @file The form of a result table (`tables/*.json`) and its printing as aligned text. */

/** A mean with its standard error over `n` samples. */
export interface Estimate {
  readonly mean: number;
  readonly se: number;
  readonly n?: number;
}

/** A value with the bounds of its interval. */
export interface Bounded {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** One cell. `null` prints as a dash. */
export type Cell = number | string | null | Estimate | Bounded;

/** How a column is headed and its numbers are written. */
export interface Column {
  /** Key in each row. */
  readonly key: string;
  readonly label: string;
  readonly unit?: string;
  /** Digits after the point; 1 unless given. */
  readonly digits?: number;
  /** `percent` multiplies by 100 and adds the sign. */
  readonly format?: "number" | "percent";
  /** The report draws this column as bars beside its numbers. */
  readonly bar?: boolean;
  /** Depends on the machine's speed, not on the seed alone: no part of a run's results. */
  readonly varies?: boolean;
}

/** A table of results; the file's name orders the tables of a run. */
export interface ResultTable {
  readonly title: string;
  readonly caption?: string;
  readonly columns: readonly Column[];
  /** `emphasis` marks the row that the table is about, `reference` a ceiling or floor. */
  readonly rows: readonly {
    readonly style?: "emphasis" | "reference";
    readonly cells: Readonly<Record<string, Cell>>;
  }[];
  readonly notes?: readonly string[];
}

function formatNumber(value: number, column: Column): string {
  const text = (column.format === "percent" ? value * 100 : value).toFixed(column.digits ?? 1);
  const [whole, part] = text.split(".");
  // Groups of three, as SI writes them, from five digits on.
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") : whole;
  return part === undefined ? grouped : `${grouped}.${part}`;
}

/** Text of one cell: `12.3 ± 0.4`, `12.3 [11.9, 12.8]`, `4.0 %`, `–`. */
export function formatCell(cell: Cell | undefined, column: Column): string {
  if (cell === null || cell === undefined) return "–";
  if (typeof cell === "string") return cell;
  const sign = column.format === "percent" ? " %" : "";
  if (typeof cell === "number") return formatNumber(cell, column) + sign;
  if ("low" in cell) {
    const [value, low, high] = [cell.value, cell.low, cell.high].map((each) => formatNumber(each, column));
    return `${value} [${low}, ${high}]${sign}`;
  }
  return `${formatNumber(cell.mean, column)} ± ${formatNumber(cell.se, column)}${sign}`;
}

/** Heading of a column with its unit. */
export function columnHeading(column: Column): string {
  return column.unit === undefined ? column.label : `${column.label} [${column.unit}]`;
}

/** Is the column aligned to the right, as numbers are? */
export function isNumeric(table: ResultTable, column: Column): boolean {
  return table.rows.every(({ cells }) => typeof (cells[column.key] ?? 0) !== "string");
}

/** The table as text for a terminal: title, aligned columns, notes. */
export function tableText(table: ResultTable): string {
  const body = table.rows.map(({ cells }) =>
    table.columns.map((column) => formatCell(cells[column.key], column)),
  );
  const heads = table.columns.map(columnHeading);
  const widths = heads.map((head, i) => Math.max(head.length, ...body.map((row) => row[i].length)));
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) =>
        isNumeric(table, table.columns[i]) ? text.padStart(widths[i]) : text.padEnd(widths[i]),
      )
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "─".repeat(width)).join("──");
  const marked = body.map((row, i) => `${table.rows[i].style === "emphasis" ? "▶ " : "  "}${line(row)}`);
  const caption = table.caption === undefined ? [] : [table.caption];
  const notes = (table.notes ?? []).map((note) => `  * ${note}`);
  return [table.title, ...caption, "", `  ${line(heads)}`, `  ${rule}`, ...marked, ...notes].join("\n");
}
