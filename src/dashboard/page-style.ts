/** @file The dashboard's style: dark and light, readable on a phone beside the robot and on a wall. */

const light = [
  "--ink:#1c2430;--soft:#5b6776;--faint:#e2e7ee;--page:#f4f6f9;--card:#fff;--accent:#2266d8;--mark:#eaf1ff",
  "--good:#18794e;--bad:#c23a3a;--warn:#b25e09",
  "--c0:#2266d8;--c1:#e0741b;--c2:#1f9d6b;--c3:#b23fa8;--c4:#c23a3a;--c5:#7a6a1a;--c6:#2a90ab;--c7:#6b6f7b",
].join(";");

const dark = [
  "--ink:#e8ecf2;--soft:#9aa6b5;--faint:#2a323e;--page:#0f1318;--card:#181e26;--accent:#6ea2ff;--mark:#1d2a42",
  "--good:#4fcf9b;--bad:#ff7b7b;--warn:#f0b25a",
  "--c0:#6ea2ff;--c1:#ff9d4d;--c2:#4fcf9b;--c3:#e07ad6;--c4:#ff7b7b;--c5:#d9c35a;--c6:#6fd3ec;--c7:#a9b0bd",
].join(";");

const series = Array.from({ length: 8 }, (_, i) => `.c${i}{color:var(--c${i})}`).join("");

/** CSS for the page. */
export const pageCss = `
:root{${light};color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
[hidden]{display:none!important}
body{margin:0;min-height:100vh;display:grid;grid-template:auto 1fr/260px 1fr;background:var(--page);color:var(--ink);font:14.5px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
header{grid-column:1/-1;display:flex;align-items:center;gap:22px;padding:10px 22px;background:var(--card);border-bottom:1px solid var(--faint);position:sticky;top:0;z-index:2}
h1{font-size:19px;margin:0;letter-spacing:-.01em}
h2{font-size:16px;margin:0 0 10px}
h3{font-size:13.5px;color:var(--soft);margin:22px 0 8px;font-weight:600}
nav{display:flex;gap:4px;flex-wrap:wrap}
button,select,input[type=search]{font:inherit;color:inherit;background:var(--card);border:1px solid var(--faint);border-radius:8px;padding:5px 12px}
button{cursor:pointer}
button:hover:not(:disabled){border-color:var(--accent)}
button:disabled{color:var(--soft);cursor:default;opacity:.6}
button:focus-visible,select:focus-visible,input:focus-visible,#stage:focus-visible{outline:2px solid var(--accent);outline-offset:1px}
nav button{border-color:transparent;background:none;color:var(--soft);font-weight:600}
nav button[aria-selected=true]{background:var(--mark);color:var(--accent)}
#link{margin:0 0 0 auto;color:var(--soft);font-size:13px}
#link.open::before{content:"●";color:var(--good);margin-right:6px}
#link.lost::before{content:"●";color:var(--bad);margin-right:6px}
aside{padding:20px 14px;border-right:1px solid var(--faint)}
aside h2{padding:0 8px}
#runs{list-style:none;margin:0;padding:0;display:grid;gap:2px}
#runs label{display:grid;grid-template-columns:auto auto 1fr;gap:2px 8px;align-items:center;padding:6px 8px;border-radius:8px;cursor:pointer}
#runs label:hover{background:var(--mark)}
#runs input{accent-color:currentColor;margin:0}
#runs i{width:10px;height:10px;border-radius:3px;background:currentColor}
#runs b{color:var(--ink);font-weight:600;overflow-wrap:anywhere}
#runs small{grid-column:3;color:var(--soft);font-size:12.5px}
main{padding:22px;min-width:0}
.tools{display:flex;flex-wrap:wrap;gap:10px 18px;align-items:center;margin-bottom:14px;color:var(--soft)}
.tools input[type=range]{vertical-align:middle;accent-color:var(--accent)}
.card,.plot,.view{background:var(--card);border:1px solid var(--faint);border-radius:10px;padding:14px 16px}
.card+.card{margin-top:14px}
.head{display:flex;flex-wrap:wrap;gap:4px 12px;align-items:baseline;margin-bottom:10px}
.head h2{margin:0}
.head small{color:var(--soft)}
.badge{font-size:12px;font-weight:700;padding:2px 9px;border-radius:99px;background:var(--mark);color:var(--accent)}
.badge.running,.badge.good{color:var(--good)}.badge.stopped,.badge.warn{color:var(--warn)}.badge.bad{color:var(--bad)}
.bar{height:8px;border-radius:4px;background:var(--faint);overflow:hidden}
.bar i{display:block;height:100%;background:var(--accent)}
.stages{display:flex;flex-wrap:wrap;gap:6px;margin-top:12px}
.stages span{font-size:12.5px;padding:2px 9px;border-radius:6px;border:1px solid var(--faint);color:var(--soft)}
.stages .done{color:var(--good)}
.stages .running{background:var(--mark);color:var(--accent);border-color:var(--accent);font-weight:600}
.stages .stopped{color:var(--warn);border-color:var(--warn)}
pre{overflow-x:auto;font:12px/1.5 ui-monospace,"DejaVu Sans Mono",monospace;margin:12px 0 0}
summary{cursor:pointer;font-weight:600;margin-top:12px}
#plots h3:first-child{margin-top:0}
.plots{display:grid;gap:14px;grid-template-columns:repeat(auto-fill,minmax(330px,1fr))}
.plot{padding:12px;margin:0;position:relative}
.plot figcaption{font-weight:600;font-size:13.5px;display:flex;gap:8px}
.plot figcaption small{color:var(--soft);font-weight:400}
.plot svg{display:block;width:100%;height:auto;overflow:visible}
.plot text{font-size:11px;fill:var(--soft);font-variant-numeric:tabular-nums}
.plot .grid{stroke:var(--faint)}
.plot .axis{stroke:var(--soft);fill:none}
.plot .line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}
.plot .raw{fill:none;stroke:currentColor;opacity:.25}
.plot .cursor{stroke:var(--soft);stroke-dasharray:3 3}
.plot circle{fill:currentColor}
.legend{display:flex;flex-wrap:wrap;gap:2px 12px;font-size:12px;min-height:18px}
.legend i{display:inline-block;width:14px;height:3px;border-radius:2px;background:currentColor;margin-right:6px;vertical-align:3px}
.legend span span{color:var(--ink)}
${series}
#stage{display:grid;gap:14px;grid-template-columns:minmax(280px,2fr) 3fr;align-items:start;outline:none}
#stage.pair{grid-template-columns:1fr 1fr}
#dreams{display:grid;gap:10px;grid-template-columns:repeat(auto-fill,minmax(150px,1fr))}
.view{padding:8px}
.view canvas{display:block;width:100%;image-rendering:pixelated;border-radius:6px;background:#000;aspect-ratio:1}
.view b{font-size:13px;display:block}
.view small{display:block;color:var(--soft);font-size:12px;min-height:1.5em;font-variant-numeric:tabular-nums}
.action{display:grid;grid-template-columns:max-content 1fr 42px;gap:3px 8px;align-items:center;font-size:12px;color:var(--soft);margin-top:6px;font-variant-numeric:tabular-nums}
#dreams .action{grid-template-columns:1fr}
#dreams .action span{display:none}
.meter{position:relative;height:7px;border-radius:4px;background:var(--faint)}
.meter::after{content:"";position:absolute;left:50%;top:-1px;bottom:-1px;width:1px;background:var(--soft)}
.meter i{position:absolute;top:0;bottom:0;background:var(--accent);border-radius:3px}
table{border-collapse:collapse;width:100%;font-size:13.5px}
th,td{text-align:left;padding:5px 12px 5px 0;border-bottom:1px solid var(--faint);vertical-align:top;overflow-wrap:anywhere}
th{color:var(--soft);font-weight:600;font-size:12.5px}
tr.differs td{background:var(--mark)}
td.num,th.num{text-align:right;font-variant-numeric:tabular-nums}
.facts{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));margin-bottom:12px}
.facts b{display:block;font-size:21px;font-variant-numeric:tabular-nums}
.facts span{color:var(--soft);font-size:12.5px}
.empty{color:var(--soft)}
@media(max-width:820px){body{grid-template:auto auto 1fr/1fr}aside{border-right:0;border-bottom:1px solid var(--faint);padding:12px}header{gap:10px;padding:10px 12px;flex-wrap:wrap}main{padding:14px}#stage,#stage.pair{grid-template-columns:1fr}}
`;
