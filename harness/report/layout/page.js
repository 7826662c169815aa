// What a page adds where scripts run: values under the pointer, arms switched on and off, the volume by a slider.
// Everything it shows stands in the page already.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("scripted");

  const theme = document.querySelector("[data-theme-switch]");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  document.addEventListener("pointermove", (event) => {
    const found = event.target.closest?.("[data-tip]");
    tip.hidden = !found || found.dataset.tip === "";
    if (tip.hidden) return;
    tip.textContent = found.dataset.tip;
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    const below = event.clientY + 18;
    const top = below + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : below;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${top}px`;
  });
  document.addEventListener("pointerleave", () => { tip.hidden = true; });

  for (const box of document.querySelectorAll(".controls input")) {
    box.addEventListener("change", () => {
      for (const part of document.querySelectorAll("[data-arm]")) {
        if (part.dataset.arm === box.value) part.classList.toggle("off", !box.checked);
      }
    });
  }

  for (const slider of document.querySelectorAll(".slider")) {
    const range = slider.querySelector("input");
    const rows = [...slider.querySelectorAll("tbody tr")];
    const shown = slider.querySelectorAll("output");
    const circles = document.querySelectorAll(`[data-chart="${slider.dataset.of}"] [data-point]`);
    const show = () => {
      const cells = rows[Number(range.value)].cells;
      shown.forEach((output, place) => { output.textContent = cells[place].textContent; });
      range.setAttribute("aria-valuetext", cells[0].textContent);
      for (const group of circles) {
        group.querySelector("circle").classList.toggle("here", group.dataset.point === range.value);
      }
    };
    range.addEventListener("input", show);
    show();
  }

  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) part.open = true;
  });
})();
