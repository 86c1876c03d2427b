/** @file Pictures as half-block characters in true colour, laid side by side under their titles. */

/** A picture: uint8 `[height, width, 3]`, row-major. */
export interface Pixels {
  readonly height: number;
  readonly width: number;
  readonly data: Uint8Array;
}

/** A picture with text above and below. */
export interface Panel {
  readonly title: string;
  readonly pixels: Pixels;
  readonly lines: readonly string[];
}

/** Shrink to at most the given size by averaging, keeping the shape; a small picture stays as it is. */
export function fitPixels(pixels: Pixels, maxWidth: number, maxHeight: number): Pixels {
  const scale = Math.min(1, maxWidth / pixels.width, maxHeight / pixels.height);
  if (scale === 1) return pixels;
  const width = Math.max(1, Math.floor(pixels.width * scale));
  const height = Math.max(1, Math.floor(pixels.height * scale));
  const data = new Uint8Array(width * height * 3);
  const column = (x: number): number => Math.floor((x * pixels.width) / width);
  const line = (y: number): number => Math.floor((y * pixels.height) / height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const area = { x0: column(x), x1: column(x + 1), y0: line(y), y1: line(y + 1) };
      averageInto(data, (y * width + x) * 3, pixels, area);
    }
  }
  return { width, height, data };
}

interface Area {
  readonly x0: number;
  readonly x1: number;
  readonly y0: number;
  readonly y1: number;
}

function averageInto(out: Uint8Array, at: number, { width, data }: Pixels, { x0, x1, y0, y1 }: Area): void {
  const count = (x1 - x0) * (y1 - y0);
  for (let channel = 0; channel < 3; channel++) {
    let sum = 0;
    for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) sum += data[(y * width + x) * 3 + channel];
    out[at + channel] = Math.round(sum / count);
  }
}

const escape = "\u001b[";

/** Rows of text, two pixel rows each: the upper pixel is the glyph's colour, the lower its ground. */
export function halfBlocks({ width, height, data }: Pixels): string[] {
  const rows: string[] = [];
  for (let y = 0; y < height; y += 2) {
    let row = "";
    let colours = "";
    for (let x = 0; x < width; x++) {
      const top = (y * width + x) * 3;
      const below = y + 1 < height ? top + width * 3 : top;
      const wanted = `${escape}38;2;${data[top]};${data[top + 1]};${data[top + 2]};48;2;${data[below]};${data[below + 1]};${data[below + 2]}m`;
      row += wanted === colours ? "▀" : `${wanted}▀`;
      colours = wanted;
    }
    rows.push(`${row}${escape}0m`);
  }
  return rows;
}

function padded(text: string, width: number): string {
  return text.length > width ? text.slice(0, width) : text.padEnd(width);
}

const gap = "  ";

/** Panels side by side as one screen of text, fitted to the terminal. Line ends clear what was there before. */
export function screenText(panels: readonly Panel[], columns: number, rows: number, footer: string): string {
  const textRows = 2 + Math.max(...panels.map(({ lines }) => lines.length));
  const maxWidth = Math.floor((columns - gap.length * (panels.length - 1)) / panels.length);
  const blocks = panels.map(({ title, pixels, lines }) => {
    const fitted = fitPixels(pixels, maxWidth, Math.max(2, (rows - textRows - 1) * 2));
    const width = Math.min(maxWidth, Math.max(fitted.width, 36));
    const picture = halfBlocks(fitted).map((row) => row + " ".repeat(width - fitted.width));
    return { width, text: [padded(title, width), ...picture, ...lines.map((line) => padded(line, width))] };
  });
  const height = Math.max(...blocks.map(({ text }) => text.length));
  const lines = Array.from({ length: height }, (_, i) =>
    blocks.map(({ text, width }) => text[i] ?? " ".repeat(width)).join(gap),
  );
  return `${escape}H${[...lines, padded(footer, columns - 1)].map((line) => `${line}${escape}K`).join("\r\n")}${escape}J`;
}
