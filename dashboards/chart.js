// One chart: the report's own SVG, drawn for a wide and for a narrow place, with its values under the pointer, under a
// finger and under the arrow keys. What is not a plain drawing is not let in.
const TAGS = new Set(["svg", "g", "desc", "text", "rect", "line", "circle", "path"]);
const NARROW = 560;

function drawing(source) {
  const found = new DOMParser().parseFromString(source, "image/svg+xml").documentElement;
  for (const part of [found, ...found.querySelectorAll("*")]) {
    const foreign = [...part.attributes].some((one) => /^(on|style$|href$|xlink)/i.test(one.name));
    if (!TAGS.has(part.localName) || foreign) throw new Error("this is no chart");
  }
  return document.importNode(found, true);
}

export default function ({ data, parentElement }) {
  const place = parentElement.querySelector(".tor-chart") ?? document.createElement("div");
  place.className = "tor-chart";
  parentElement.append(place);
  const tip = document.createElement("div");
  tip.className = "tor-tip";
  tip.setAttribute("aria-live", "polite");
  tip.hidden = true;
  let narrow = null;
  let at = -1;

  const show = (part, x, y) => {
    for (const other of place.querySelectorAll(".here")) other.classList.remove("here");
    tip.hidden = !part;
    if (!part) return;
    part.classList.add("here");
    tip.textContent = part.dataset.tip;
    const below = y + 18 + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 10 : y + 18;
    tip.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${below}px`;
  };
  const pointed = (event) => show(event.target.closest?.("[data-tip]"), event.clientX, event.clientY);
  const keyed = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") return show(null);
    if (!step) return;
    event.preventDefault();
    const parts = [...place.querySelectorAll("[data-tip]")].filter((part) => !part.querySelector("[data-tip]"));
    if (!parts.length) return;
    at = (at + step + parts.length) % parts.length;
    const box = parts[at].getBoundingClientRect();
    show(parts[at], box.right, box.bottom);
  };
  const away = () => show(null);
  const draw = () => {
    const now = place.clientWidth < NARROW;
    if (!place.clientWidth || now === narrow) return;
    narrow = now;
    at = -1;
    place.classList.toggle("tor-narrow", narrow);
    const svg = drawing(narrow ? data.narrow : data.wide);
    svg.setAttribute("tabindex", "0");
    svg.setAttribute("width", "100%");
    svg.removeAttribute("height");
    place.replaceChildren(svg, tip);
  };

  const sizes = new ResizeObserver(draw);
  sizes.observe(place);
  place.addEventListener("pointermove", pointed);
  place.addEventListener("pointerdown", pointed);
  place.addEventListener("pointerleave", away);
  place.addEventListener("keydown", keyed);
  place.addEventListener("focusout", away);
  draw();
  return () => {
    sizes.disconnect();
    place.removeEventListener("pointermove", pointed);
    place.removeEventListener("pointerdown", pointed);
    place.removeEventListener("pointerleave", away);
    place.removeEventListener("keydown", keyed);
    place.removeEventListener("focusout", away);
  };
}
