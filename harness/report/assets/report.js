"use strict";
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");

  /* Theme: the system's until the button is used. */
  const theme = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  const toggle = document.getElementById("theme");
  const colours = () => {
    const style = getComputedStyle(root);
    return { ink: style.getPropertyValue("--ink").trim(), grid: style.getPropertyValue("--grid").trim(),
             page: style.getPropertyValue("--page").trim() };
  };

  function paint(layout) {
    const { ink, grid, page } = colours();
    layout.font = { ...layout.font, color: ink };
    layout.hoverlabel = { bgcolor: page, bordercolor: grid, font: { color: ink } };
    layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: ink, activecolor: ink };
    for (const name of Object.keys(layout)) {
      if (/^[xy]axis\d*$/.test(name)) layout[name] = { ...layout[name], gridcolor: grid, linecolor: grid, tickcolor: grid };
    }
    return layout;
  }

  function repaint() {
    toggle.textContent = theme() === "dark" ? "Light theme" : "Dark theme";
    for (const plot of drawn.values()) Plotly.react(plot, plot.data, paint({ ...plot.layout }), settings);
  }

  toggle.addEventListener("click", () => {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    repaint();
  });
  dark.addEventListener("change", repaint);

  /* Figures are drawn when they come near, the others one by one whenever the browser has time.
     The buttons are listed because plotly's own set has one that uploads the data. */
  const settings = { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
  const coarse = matchMedia("(pointer: coarse)").matches;
  const waiting = new Map([...document.querySelectorAll("script.plot-data")].map((source) => [source.dataset.for, source]));
  const drawn = new Map();
  const chosen = new Map(); /* figure -> the view it shows */

  const shows = (trace, view) => trace.meta === -1 || trace.meta === view;

  function draw(id) {
    const source = waiting.get(id);
    if (!source) return;
    waiting.delete(id);
    const plot = document.getElementById(id);
    const spec = JSON.parse(source.textContent);
    spec.layout.dragmode = coarse ? false : "zoom"; /* a finger scrolls the page, not the plot */
    if (chosen.has(id)) for (const trace of spec.data) trace.visible = shows(trace, chosen.get(id));
    Plotly.newPlot(plot, spec.data, paint(spec.layout), settings);
    drawn.set(id, plot);
  }

  function choose(id, view) {
    chosen.set(id, view);
    const plot = drawn.get(id);
    if (plot) Plotly.restyle(plot, { visible: plot.data.map((trace) => shows(trace, view)) });
  }

  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target.id); }
  }, { rootMargin: "400px" });
  for (const id of waiting.keys()) near.observe(document.getElementById(id));

  const spare = window.requestIdleCallback || ((work) => setTimeout(work, 50));
  const drawNext = () => { if (waiting.size) { draw(waiting.keys().next().value); spare(drawNext); } };
  const drawAll = () => { for (const id of [...waiting.keys()]) draw(id); };

  for (const chooser of document.querySelectorAll("[data-views]")) {
    chooser.addEventListener("change", (event) => choose(chooser.dataset.views, Number(event.target.value)));
  }

  /* Stepper: one player and one figure for all steps; the clips are the players of the table. */
  for (const box of document.querySelectorAll(".stepper")) {
    const slider = box.querySelector("input");
    const player = box.querySelector("audio");
    const text = box.querySelector(".step-text");
    const clips = document.querySelectorAll("." + box.dataset.clips);
    let resume = null; /* position and state to return to while a new clip is still loading */

    player.addEventListener("loadedmetadata", () => {
      if (!resume) return;
      player.currentTime = Math.min(resume.time, player.duration);
      if (resume.playing) player.play();
      resume = null;
    });

    function show() {
      const index = Number(slider.value);
      const clip = clips[index];
      text.textContent = clip.dataset.text;
      slider.setAttribute("aria-valuetext", clip.dataset.text);
      resume = resume || { time: player.currentTime, playing: !player.paused };
      player.src = clip.src;
      choose(box.dataset.figure, index);
    }
    slider.addEventListener("input", show);
    show();
  }

  /* One sound at a time; players on one clock go on from where the last of them was. */
  const clocks = new Map(); /* group -> the player that ran last */
  document.addEventListener("play", (event) => {
    const group = event.target.closest("[data-clock]");
    const last = group && clocks.get(group);
    if (last && last !== event.target && !last.ended) event.target.currentTime = last.currentTime;
    if (group) clocks.set(group, event.target);
    for (const audio of document.querySelectorAll("audio")) if (audio !== event.target) audio.pause();
  }, true);

  /* Tables that can be searched and sorted. What starts with a number is sorted as one, dashes last. */
  const number = (text) => parseFloat(text.replace("\u2212", "-"));
  function compare(a, b, sign) {
    const [x, y] = [number(a), number(b)];
    if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
    return sign * (Number.isNaN(x) ? a.localeCompare(b) : x - y);
  }

  for (const box of document.querySelectorAll(".searchable")) {
    const body = box.querySelector("tbody");
    const status = box.querySelector("[role=status]");
    const rows = [...body.rows];
    box.querySelector("input[type=search]").addEventListener("input", (event) => {
      const words = event.target.value.toLowerCase().split(/\s+/);
      for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
      const found = rows.filter((row) => !row.hidden).length;
      status.textContent = found === rows.length ? `${rows.length} rows` : `${found} of ${rows.length} rows`;
    });
    const heads = [...box.querySelectorAll("thead th")];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
      const text = (row) => row.cells[column].textContent.trim();
      rows.sort((a, b) => compare(text(a), text(b), sign));
      body.append(...rows);
    }));
  }

  /* Copy buttons. */
  for (const button of document.querySelectorAll("[data-copy]")) {
    const text = document.getElementById(button.dataset.copy);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(text);
        button.textContent = "Selected: press Ctrl+C";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  /* Paper is white and narrow. */
  let screenTheme;
  addEventListener("beforeprint", () => {
    screenTheme = root.dataset.theme;
    root.dataset.theme = "light";
    drawAll();
    repaint();
    for (const plot of drawn.values()) Plotly.relayout(plot, { width: 680 });
  });
  addEventListener("afterprint", () => {
    if (screenTheme) root.dataset.theme = screenTheme; else delete root.dataset.theme;
    repaint();
    for (const plot of drawn.values()) Plotly.relayout(plot, { width: null, autosize: true });
  });

  repaint();
  spare(drawNext);
  performance.mark("interactive");
})();
