/** @file The dashboard's page before anything has come over the socket. */

/** Needs `/style.css` and `/app.mjs` of the same server, and nothing else. */
export const pageHtml = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Reverie</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header>
<h1>Reverie</h1>
<nav role="tablist" aria-label="Views">
<button role="tab" data-view="overview" aria-selected="true">Overview</button>
<button role="tab" data-view="curves">Curves</button>
<button role="tab" data-view="worlds">Worlds</button>
<button role="tab" data-view="config">Config</button>
<button role="tab" data-view="robots">Robots</button>
</nav>
<p id="link" role="status">connecting</p>
</header>
<aside aria-label="Runs"><h2>Runs</h2><ul id="runs"></ul></aside>
<main>
<section id="overview"></section>
<section id="curves" hidden>
<div class="tools">
<label>smoothing <input id="smoothing" type="range" min="0" max="60" value="3"></label>
<label><input id="log" type="checkbox"> log scale</label>
<label>filter <input id="filter" type="search" placeholder="loss, psnr, …"></label>
</div>
<div id="plots"></div>
</section>
<section id="worlds" hidden>
<div class="tools">
<select id="world-run" aria-label="Run"></select>
<button id="watch">Watch the policy</button>
<button id="play">Play</button>
<button id="leave" disabled>Stop</button>
<span id="world-status" role="status"></span>
</div>
<div id="stage" tabindex="0"></div>
</section>
<section id="config" hidden></section>
<section id="robots" hidden></section>
</main>
<script type="module" src="/app.mjs"></script>
</body>
</html>
`;
