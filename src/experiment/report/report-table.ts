/** @file A result table as HTML, with bars and whiskers (standard errors or intervals) where a column asks for them. */

import { escapeHtml } from "./report-plot.ts";
import type { Bounded, Cell, Column, ResultTable } from "./table.ts";
import { columnHeading, formatCell, isNumeric } from "./table.ts";

interface Extent {
  readonly low: number;
  readonly high: number;
}

function boundsOf(cell: Cell | undefined): Bounded | undefined {
  if (typeof cell === "number") return { value: cell, low: cell, high: cell };
  if (typeof cell !== "object" || cell === null) return undefined;
  if ("low" in cell) return cell;
  return { value: cell.mean, low: cell.mean - cell.se, high: cell.mean + cell.se };
}

function extentOf(table: ResultTable, column: Column): Extent {
  const values = table.rows
    .map(({ cells }) => boundsOf(cells[column.key]))
    .filter((value) => value !== undefined);
  const low = Math.min(0, ...values.map((bounds) => bounds.low));
  const high = Math.max(0, ...values.map((bounds) => bounds.high));
  return { low, high: high > low ? high : low + 1 };
}

function barHtml(cell: Cell | undefined, { low, high }: Extent): string {
  const bounds = boundsOf(cell);
  if (bounds === undefined) return "";
  const at = (x: number): number => Number((((x - low) / (high - low)) * 200).toFixed(1));
  const [zero, mean] = [at(0), at(bounds.value)];
  const bar = `<rect class="rect" x="${Math.min(zero, mean)}" y="3" width="${Math.abs(mean - zero)}" height="10" rx="1.5"/>`;
  const [from, to] = [at(bounds.low), at(bounds.high)];
  const whisker =
    bounds.high > bounds.low ? `<path class="whisker" d="M${from} 8H${to}M${from} 5v6M${to} 5v6"/>` : "";
  return `<svg class="c0" viewBox="0 0 200 16" preserveAspectRatio="none" aria-hidden="true">${bar}${whisker}</svg>`;
}

function cellHtml(cell: Cell | undefined, column: Column): string {
  const text = escapeHtml(formatCell(cell, column));
  return text.replace(/ [±[].*$/, (spread) => `<span class="se">${spread}</span>`);
}

/** The table with its title, caption and notes. */
export function tableHtml(table: ResultTable): string {
  const columns = table.columns.map((column) => ({
    column,
    kind: isNumeric(table, column) ? "num" : "text",
    extent: column.bar === true ? extentOf(table, column) : undefined,
  }));
  const heads = columns.map(({ column, kind, extent }) => {
    const head = `<th class="${kind}">${escapeHtml(columnHeading(column))}</th>`;
    return extent === undefined ? head : `${head}<th aria-hidden="true"></th>`;
  });
  const rows = table.rows.map(({ style, cells }) => {
    const parts = columns.map(({ column, kind, extent }) => {
      const cell = `<td class="${kind}">${cellHtml(cells[column.key], column)}</td>`;
      return extent === undefined
        ? cell
        : `${cell}<td class="bar">${barHtml(cells[column.key], extent)}</td>`;
    });
    return `<tr class="${style ?? "plain"}">${parts.join("")}</tr>`;
  });
  const caption = table.caption === undefined ? "" : `<p class="lead">${escapeHtml(table.caption)}</p>`;
  const notes = (table.notes ?? []).map((note) => `<li>${escapeHtml(note)}</li>`).join("");
  const list = notes === "" ? "" : `<ul class="notes">${notes}</ul>`;
  const body = `<thead><tr>${heads.join("")}</tr></thead><tbody>${rows.join("")}</tbody>`;
  return `<h2>${escapeHtml(table.title)}</h2>${caption}<div class="table"><table>${body}</table></div>${list}`;
}
