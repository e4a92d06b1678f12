"use strict";
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const plots = new Map();

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
    for (const plot of plots.values()) Plotly.react(plot, plot.data, paint({ ...plot.layout }), plot.settings);
  }

  toggle.addEventListener("click", () => {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    repaint();
  });
  dark.addEventListener("change", repaint);

  /* Figures. The buttons are listed because plotly's own set has one that uploads the data. */
  const settings = { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
  const coarse = matchMedia("(pointer: coarse)").matches;
  for (const source of document.querySelectorAll("script.plot-data")) {
    const spec = JSON.parse(source.textContent);
    const plot = document.getElementById(source.dataset.for);
    plot.settings = settings;
    spec.layout.dragmode = coarse ? false : "zoom"; /* a finger scrolls the page, not the plot */
    Plotly.newPlot(plot, spec.data, paint(spec.layout), settings);
    plots.set(plot.id, plot);
  }
  repaint();

  /* Stepper: one player and one figure for all steps; the clips are the players of the table. */
  for (const box of document.querySelectorAll(".stepper")) {
    const slider = box.querySelector("input");
    const player = box.querySelector("audio");
    const text = box.querySelector(".step-text");
    const plot = plots.get(box.dataset.figure);
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
      const visible = plot.data.map((trace) => trace.meta === -1 || trace.meta === index);
      Plotly.restyle(plot, { visible });
    }
    slider.addEventListener("input", show);
    show();
  }

  /* One sound at a time. */
  document.addEventListener("play", (event) => {
    for (const audio of document.querySelectorAll("audio")) if (audio !== event.target) audio.pause();
  }, true);

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
    repaint();
    for (const plot of plots.values()) Plotly.relayout(plot, { width: 680 });
  });
  addEventListener("afterprint", () => {
    if (screenTheme) root.dataset.theme = screenTheme; else delete root.dataset.theme;
    repaint();
    for (const plot of plots.values()) Plotly.relayout(plot, { width: null, autosize: true });
  });
})();
