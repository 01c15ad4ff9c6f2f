"use strict";
// Everything foreign goes in as textContent: nothing here makes HTML out of text.
(() => {
  const $ = (id) => document.getElementById(id);

  // ── light and dark ────────────────────────────────────────────────────────
  const themes = ["auto", "light", "dark"];
  // A page opened from a file may be denied storage; the choice then lasts as long as the page.
  const remembered = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const remember = (t) => { try { localStorage.setItem("theme", t); } catch { /* not kept */ } };
  let theme = themes.includes(remembered()) ? remembered() : "auto";
  const applyTheme = () => {
    if (theme === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset.theme = theme;
    $("theme").textContent = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" }[theme];
  };
  $("theme").addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    remember(theme);
    applyTheme();
  });
  applyTheme();
  $("theme").hidden = false;

  // ── which axis learning curves are drawn along ───────────────────────────
  const axis = $("axis");
  if (axis) {
    const choose = () => {
      for (const figure of document.querySelectorAll("[data-axis]"))
        figure.hidden = figure.dataset.axis !== axis.value;
    };
    axis.addEventListener("change", choose);
    axis.closest(".fields").hidden = false;
    choose();
  }

  // ── episodes ──────────────────────────────────────────────────────────────
  if (!$("episode-index")) return;
  const index = JSON.parse($("episode-index").textContent);
  const [METHOD, CELL, TASK, SEED, STATE, SCORE, STEPS] = [0, 1, 2, 3, 4, 5, 6];
  const STATES = [["lost", "○"], ["won", "✓"], ["failed", "✕"]];
  const PAGE = 100;
  $("browser").hidden = false;
  let found = [], shown = 0, current = -1, step = 0, data = null;

  const make = (name, text, className) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  };
  const options = (select, names, all) => {
    select.append(new Option(all, ""), ...names.map((name, i) => new Option(name, String(i))));
  };
  options($("by-method"), index.methods, "all methods");
  options($("by-cell"), index.cells, "all cells");
  options($("by-state"), STATES.map(([name]) => name), "won, lost and failed");

  const matches = (row) => {
    const [method, cell, state] = ["by-method", "by-cell", "by-state"].map((id) => $(id).value);
    const words = $("by-text").value.trim().toLowerCase();
    return (method === "" || row[METHOD] === +method) && (cell === "" || row[CELL] === +cell)
      && (state === "" || row[STATE] === +state)
      && (words === "" || row[TASK].toLowerCase().includes(words));
  };
  const percent = (score) => `${Math.round(1000 * score) / 10} %`;
  const item = (number) => {
    const row = index.rows[number], [name, sign] = STATES[row[STATE]];
    const button = make("button");
    button.type = "button";
    button.dataset.ep = number;
    const mark = make("span", sign, name);
    mark.setAttribute("aria-hidden", "true");
    const label = make("span", row[TASK]);
    const about = `${index.methods[row[METHOD]]} · ${index.cells[row[CELL]]} · ${name},`
      + ` score ${percent(row[SCORE])}, ${row[STEPS]} steps`;
    button.append(mark, label, make("small", about));
    if (number === current) button.setAttribute("aria-current", "true");
    const li = make("li");
    li.append(button);
    return li;
  };
  const more = () => {
    $("list").append(...found.slice(shown, shown + PAGE).map(item));
    shown = Math.min(found.length, shown + PAGE);
    $("more").hidden = shown >= found.length;
    $("count").textContent = found.length === 0
      ? "No episode is like that."
      : `${found.length.toLocaleString("en")} of ${index.rows.length.toLocaleString("en")}`
        + ` episodes, ${shown.toLocaleString("en")} listed`;
  };
  const filter = () => {
    found = index.rows.flatMap((row, i) => (matches(row) ? [i] : []));
    shown = 0;
    $("list").replaceChildren();
    more();
    updateButtons();
  };

  // One chunk of episodes is unpacked when one of them is opened, and kept.
  const chunks = new Map();
  const unpack = (number) => {
    if (!chunks.has(number)) chunks.set(number, (async () => {
      const text = atob($(`episodes-${number}`).textContent.trim());
      const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      return JSON.parse(await new Response(stream).text());
    })());
    return chunks.get(number);
  };
  const column = (runs) => {
    const values = [];
    for (let i = 0; i < runs.length; i += 2)
      for (let k = 0; k < runs[i + 1]; k += 1) values.push(runs[i]);
    return values;
  };

  async function open(number, at, { moveFocus = false, record = true } = {}) {
    if (!(number >= 0 && number < index.rows.length)) {
      say(`There is no episode ${number}: the last one is ${index.rows.length - 1}.`);
      return;
    }
    current = number;
    for (const button of $("list").querySelectorAll("button"))
      if (+button.dataset.ep === number) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    if (typeof DecompressionStream === "undefined") {
      say("This browser cannot unpack episodes: it lacks DecompressionStream, which all major"
        + " browsers have had since 2023. The rest of the page needs none of it.");
      return;
    }
    say(`Unpacking episode ${number} …`);
    let chunk;
    try {
      chunk = await unpack(Math.floor(number / index.chunk));
    } catch (error) {
      say(`Episode ${number} cannot be unpacked: ${error.message}`);
      return;
    }
    if (number !== current) return;  // Another one was opened meanwhile.
    const raw = chunk.episodes[number % index.chunk], texts = chunk.texts;
    const written = raw.written || [], read = raw.read || [];
    const [reward, feedback, score] = ["reward", "feedback", "score"].map((n) => column(raw[n]));
    data = {
      start: texts[raw.start], goal: texts[raw.goal], end: raw.end, digest: raw.digest,
      error: raw.error === undefined ? null : texts[raw.error],
      steps: raw.act.map((action, i) => ({
        action: texts[action], observation: texts[raw.obs[i]], reward: reward[i],
        feedback: index.feedback[feedback[i]], score: score[i],
        tokens: read.length ? `${read[i]} read, ${written[i]} written` : null,
      })),
    };
    describe();
    show(at === undefined ? Math.min(1, data.steps.length) : at, record ? "push" : "none");
    $("viewer").hidden = false;
    say("");
    if (moveFocus) $("viewer").focus({ preventScroll: true });
    // On a phone the episode stands below its list, out of sight.
    if (matchMedia("(max-width: 48rem)").matches && (moveFocus || record))
      $("viewer").scrollIntoView();
    else if (moveFocus) $("episodes").scrollIntoView();
  }

  function say(text) { $("state").textContent = text; $("state").hidden = text === ""; }

  function describe() {
    const row = index.rows[current], [state, sign] = STATES[row[STATE]];
    $("task").textContent = row[TASK];
    $("goal").textContent = data.goal;
    const badges = [
      [`${sign} ${state}`, state], [`score ${percent(row[SCORE])}`],
      [index.methods[row[METHOD]]], [index.cells[row[CELL]]], [`seed ${row[SEED]}`],
      [{ terminated: "ended by the world", truncated: "ended by the horizon" }[data.end]
        || "not ended by the world"],
    ];
    if (data.digest) badges.push([`digest ${data.digest}…`]);
    $("badges").replaceChildren(...badges.map(([text, name]) => make("li", text, name)));
    $("error").hidden = data.error === null;
    $("error").textContent = data.error === null ? "" : `Failed: ${data.error}`;
    $("slider").max = data.steps.length;
    drawCourse();
    updateButtons();
  }

  // The course of the score; ticks below mark steps that the world did not take as they were meant.
  const svg = (name, attributes, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text) {
      const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
      title.textContent = text;
      element.append(title);
    }
    return element;
  };
  const X = (i) => 8 + 584 * (data.steps.length ? i / data.steps.length : 0);
  const Y = (score) => 44 - 38 * Math.min(1, Math.max(0, score));
  function drawCourse() {
    const picture = svg("svg", {
      viewBox: "0 0 600 64", preserveAspectRatio: "none", role: "img",
      "aria-label": `Score over ${data.steps.length} steps`,
    });
    picture.append(svg("path", { d: "M8 44H592M8 6H592", stroke: "var(--grid)", fill: "none" }));
    let line = `M${X(0)} ${Y(0)}`;
    data.steps.forEach((s, i) => { line += `H${X(i + 1)}V${Y(s.score)}`; });
    picture.append(svg("path", {
      d: line, stroke: "var(--c0)", "stroke-width": 2, fill: "none",
      "vector-effect": "non-scaling-stroke",
    }));
    data.steps.forEach((s, i) => {
      if (s.feedback === index.feedback[0]) return;
      const colour = s.feedback === index.feedback[1] ? "var(--muted)" : "var(--bad)";
      picture.append(svg("path", {
        d: `M${X(i + 1)} ${s.feedback === index.feedback[1] ? 53 : 48}V60`, stroke: colour,
        "stroke-width": 2, "vector-effect": "non-scaling-stroke",
      }, `step ${i + 1}: ${s.feedback}`));
    });
    picture.append(svg("path", {
      id: "here", class: "here", d: "", "stroke-width": 2, "vector-effect": "non-scaling-stroke",
    }));
    $("course").replaceChildren(picture);
  }

  function show(at, record = "replace") {
    if (!data) return;
    step = Math.max(0, Math.min(data.steps.length, Math.round(at) || 0));
    const turn = data.steps[step - 1];
    const before = step < 2 ? data.start : data.steps[step - 2].observation;
    $("saw").textContent = before;
    $("turn").hidden = !turn;
    if (turn) {
      $("did").textContent = turn.action;
      $("answer").textContent = turn.observation;
      $("reward").textContent = String(turn.reward);
      $("feedback").textContent = turn.feedback;
      $("score").textContent = percent(turn.score);
      $("tokens").parentElement.hidden = turn.tokens === null;
      $("tokens").textContent = turn.tokens || "";
    }
    $("where").textContent = data.steps.length === 0
      ? "no step was taken" : `step ${step} of ${data.steps.length}`;
    $("slider").value = step;
    $("slider").setAttribute("aria-valuetext", $("where").textContent);
    $("here").setAttribute("d", `M${X(step)} 2V62`);
    updateButtons();
    const hash = `#e${current}.${step}`;
    try {
      if (record === "push" && !location.hash.startsWith(`#e${current}.`))
        history.pushState(null, "", hash);
      else if (record !== "none") history.replaceState(null, "", hash);
    } catch { /* A sandboxed frame has no history of its own. */ }
  }

  const neighbour = (by) => {
    const place = found.indexOf(current);
    return place < 0 ? (by > 0 ? found[0] : undefined) : found[place + by];
  };
  function updateButtons() {
    // Not `disabled`, which would take the focus away from whoever is pressing the button.
    const off = (id, yes) => $(id).setAttribute("aria-disabled", String(yes));
    off("back", !data || step === 0);
    off("forth", !data || step >= data.steps.length);
    off("earlier", neighbour(-1) === undefined);
    off("later", neighbour(1) === undefined);
  }
  const go = (by) => { const n = neighbour(by); if (n !== undefined) open(n); };

  for (const id of ["by-method", "by-cell", "by-state"]) $(id).addEventListener("change", filter);
  $("by-text").addEventListener("input", filter);
  $("more").addEventListener("click", more);
  $("back").addEventListener("click", () => show(step - 1));
  $("forth").addEventListener("click", () => show(step + 1));
  $("earlier").addEventListener("click", () => go(-1));
  $("later").addEventListener("click", () => go(1));
  $("slider").addEventListener("input", () => show(+$("slider").value));
  $("course").addEventListener("click", (event) => {
    const box = $("course").getBoundingClientRect();
    show(((600 * (event.clientX - box.left)) / box.width - 8) / 584 * data.steps.length);
  });
  // Tiles of heat maps and entries of the list.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-ep]");
    if (link) open(+link.dataset.ep, undefined, { moveFocus: link.tagName !== "BUTTON" });
  });
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    const inside = target === document.body || target.closest("#episodes");
    if (!inside || event.altKey || event.ctrlKey || event.metaKey
        || target.matches("input, select, textarea")) return;
    const keys = {
      ArrowLeft: () => show(step - 1), ArrowRight: () => show(step + 1),
      Home: () => show(0), End: () => data && show(data.steps.length),
      n: () => go(1), p: () => go(-1),
    };
    // The page's own keys stay the page's, unless the focus is in the browser.
    if (!(event.key in keys) || (target === document.body && !event.key.startsWith("Arrow"))) return;
    if (!data && event.key.length > 1) return;
    event.preventDefault();
    keys[event.key]();
  });
  const fromHash = (moveFocus) => {
    const match = /^#e(\d+)(?:\.(\d+))?$/.exec(location.hash);
    if (!match) return false;
    open(+match[1], match[2] === undefined ? undefined : +match[2], { moveFocus, record: false });
    return true;
  };
  window.addEventListener("hashchange", () => fromHash(true));
  window.addEventListener("popstate", () => fromHash(false));
  filter();
  if (!fromHash(true) && found.length) open(found[0], undefined, { record: false });
})();
