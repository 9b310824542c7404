// Draws what stands in data-chart with uPlot, in the colours of the theme.
"use strict";
(function () {
  const plots = new Map();

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function amount(value, space) {
    const units = ["", "k", "M", "G", "T", "P"];
    let unit = 0;
    while (Math.abs(value) >= 1000 && unit < units.length - 1) {
      value /= 1000;
      unit += 1;
    }
    return `${Number(value.toPrecision(3))}${units[unit] ? " " : space}${units[unit]}`;
  }

  const two = (number) => String(number).padStart(2, "0");
  const clock = (at) => `${two(at.getHours())}:${two(at.getMinutes())}`;
  const day = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;

  // Times of the axis: the hour, and below it the day where it begins or has become another.
  function times(_, values) {
    let before = "";
    return values.map((value) => {
      const at = new Date(value * 1000);
      const text = day(at) === before ? clock(at) : `${clock(at)}\n${day(at)}`;
      before = day(at);
      return text;
    });
  }

  function draw(place) {
    const data = JSON.parse(place.dataset.chart);
    const kinds = JSON.parse(place.dataset.kinds);
    const isBytes = place.dataset.unit === "bytes";
    const shown = (value) => (value === null || value === undefined ? "" : isBytes ? amount(value, " ") + "B/s" : amount(value, ""));
    const colours = [colour("--series-1"), colour("--series-2")];
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const series = Object.keys(kinds).map((name, at) => ({
      label: kinds[name],
      stroke: colours[at % 2],
      fill: at === 0 ? colour("--series-1-fill") : undefined,
      width: 1.5,
      points: { show: data.times.length < 3 },
      value: (_, value) => shown(value),
    }));
    place.textContent = "";
    const plot = new uPlot(
      {
        width: Math.max(200, place.clientWidth),
        height: 200,
        series: [{ label: "Time", value: (_, at) => (at === null ? "" : `${day(new Date(at * 1000))} ${clock(new Date(at * 1000))}`) }, ...series],
        axes: [{ ...axis, values: times, incrs: [60, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400, 604800] }, { ...axis, size: 72, values: (_, values) => values.map(shown) }],
        scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] } },
        cursor: { points: { size: 6 }, drag: { x: false, y: false } },
      },
      [data.times, ...Object.keys(kinds).map((name) => data.values[name])],
      place,
    );
    plots.set(place, plot);
  }

  function drawAll() {
    for (const place of plots.keys()) {
      if (!place.isConnected) {
        plots.get(place).destroy();
        plots.delete(place);
      }
    }
    for (const place of document.querySelectorAll("[data-chart]")) {
      if (plots.has(place)) plots.get(place).destroy();
      draw(place);
    }
  }

  let waiting = 0;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 150);
  });
  document.addEventListener("drawn", drawAll);
  document.addEventListener("DOMContentLoaded", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
