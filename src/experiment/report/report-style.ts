/** @file The style sheet of a run's report: light and dark, readable at any width and on paper. */

const light = [
  "--ink:#1c2430;--soft:#5b6776;--faint:#e4e8ee;--page:#f6f7f9;--card:#fff;--accent:#2266d8;--mark:#eef4ff",
  "--c0:#2266d8;--c1:#e0741b;--c2:#1f9d6b;--c3:#b23fa8;--c4:#c23a3a;--c5:#7a6a1a;--c6:#3aa6c2;--c7:#6b6f7b",
].join(";");

const dark = [
  "--ink:#e8ecf2;--soft:#9aa6b5;--faint:#2b333f;--page:#12161c;--card:#1a2028;--accent:#6ea2ff;--mark:#1f2c44",
  "--c0:#6ea2ff;--c1:#ff9d4d;--c2:#4fcf9b;--c3:#e07ad6;--c4:#ff7b7b;--c5:#d9c35a;--c6:#6fd3ec;--c7:#a9b0bd",
].join(";");

const series = Array.from({ length: 8 }, (_, i) => `.c${i}{color:var(--c${i})}`).join("");

/** CSS for the page. */
export const reportCss = `
:root{${light};color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:30px;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em}
h2{font-size:20px;margin:40px 0 12px}
h3{font-size:15px;margin:22px 0 8px;color:var(--soft);font-weight:600}
.lead{color:var(--soft);margin:0 0 20px}
.badge{font-size:12px;font-weight:600;padding:3px 9px;border-radius:99px;background:var(--mark);color:var(--accent);vertical-align:4px;margin-left:8px}
.cards{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(180px,1fr))}
.card,.plot,.exhibit,.table,details{background:var(--card);border:1px solid var(--faint);border-radius:10px}
.card{padding:14px 16px}
.card b{display:block;font-size:24px;font-variant-numeric:tabular-nums;line-height:1.25}
.card b small{font-size:14px;color:var(--soft);font-weight:500}
.card span{color:var(--soft);font-size:13px}
.plots{display:grid;gap:14px;grid-template-columns:repeat(auto-fill,minmax(330px,1fr))}
figure{margin:0}
.plot{padding:12px 12px 8px}
.plot figcaption{font-weight:600;font-size:14px;display:flex;justify-content:space-between;gap:8px}
.plot small{color:var(--soft);font-weight:400;margin-right:auto}
.plot b{font-variant-numeric:tabular-nums;color:var(--soft);font-weight:500}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-size:11px;fill:var(--soft);font-variant-numeric:tabular-nums}
svg .name{font-style:italic}
.grid{stroke:var(--faint);stroke-width:1}
.axis{stroke:var(--soft);stroke-width:1;fill:none}
.line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}
.raw{fill:none;stroke:currentColor;stroke-width:1;opacity:.28;stroke-linejoin:round}
.band{fill:currentColor;opacity:.16;stroke:none}
circle{fill:currentColor}
.legend{display:flex;flex-wrap:wrap;gap:4px 14px;font-size:12px;padding:0 4px 4px}
.legend i{display:inline-block;width:14px;height:3px;border-radius:2px;background:currentColor;margin-right:6px;vertical-align:3px}
${series}
.table{overflow-x:auto;padding:4px 0}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{padding:7px 14px;text-align:left;white-space:nowrap}
th{color:var(--soft);font-weight:600;font-size:12.5px;border-bottom:1px solid var(--faint)}
td.num,th.num{text-align:right;font-variant-numeric:tabular-nums}
td .se{color:var(--soft)}
tr.emphasis td{background:var(--mark);font-weight:600}
tr.reference td{color:var(--soft);font-style:italic}
tbody tr+tr td{border-top:1px solid var(--faint)}
td.bar{width:22%;min-width:150px;padding-left:0}
td.bar svg{height:16px}
.rect{fill:currentColor;opacity:.55}
tr.emphasis .rect{opacity:.95}
.whisker{stroke:var(--ink);stroke-width:1.4;fill:none;vector-effect:non-scaling-stroke}
.notes{color:var(--soft);font-size:13px;margin:8px 2px 0;padding-left:18px}
.exhibits{display:grid;gap:14px}
.exhibit{padding:12px}
.exhibit img,.exhibit video{display:block;max-width:100%;width:100%;border-radius:6px;image-rendering:pixelated;background:#000}
.exhibit figcaption{color:var(--soft);font-size:13.5px;margin-top:8px}
.stages{display:flex;height:26px;border-radius:6px;overflow:hidden;margin-bottom:12px}
.stages span{background:currentColor;min-width:2px}
.key{display:inline-block;width:10px;height:10px;border-radius:3px;background:currentColor;margin-right:8px}
details{padding:10px 16px;margin-top:10px}
summary{cursor:pointer;font-weight:600}
pre{overflow-x:auto;font:12.5px/1.5 ui-monospace,"DejaVu Sans Mono",monospace;margin:10px 0 4px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:10px 0 4px;font-size:14px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
@media print{.plot,.exhibit,.table{break-inside:avoid}}
`;
