"use strict";
// Kubeflow and MLflow show a copy of this page, and what lies beside it is elsewhere then.
if (!/^(file|https?):$/.test(location.protocol)) {
  for (const line of document.querySelectorAll(".play")) {
    const files = [...line.querySelectorAll("a")].map((link) => link.getAttribute("href"));
    line.querySelector(".remark").append(` Open this report where the run is: its directory has ${files.join(", ")}.`);
    for (const link of line.querySelectorAll("a")) link.removeAttribute("href");
  }
}
// Players: a picture or a small button plays its clip; a line moves over the picture. One clip at a time.
const clips = [...document.querySelectorAll(".clip")].map((figure) => ({
  figure,
  audio: figure.querySelector("audio"),
  button: figure.querySelector("button"),
  volume: Number(figure.dataset.volume),
  synth: figure.dataset.synth,
}));
const matched = document.getElementById("matched");
let playing = null;

function setVolumes() {
  const isMatched = matched.getAttribute("aria-checked") === "true";
  for (const clip of clips) clip.audio.volume = isMatched ? 1 : clip.volume;
}

function show(clip) {
  clip.figure.style.setProperty("--at", clip.audio.currentTime / (clip.audio.duration || 1));
  if (!clip.audio.paused) requestAnimationFrame(() => show(clip));
}

// From a share of its length, which is not known before it is loaded.
function play(clip, share) {
  if (playing && playing !== clip) playing.audio.pause();
  const seek = () => { clip.audio.currentTime = share * clip.audio.duration; };
  if (clip.audio.readyState) seek();
  else if (share) clip.audio.addEventListener("loadedmetadata", seek, { once: true });
  playing = clip;
  clip.audio.play().catch(() => {}); // a pause that comes before the start
}

for (const clip of clips) {
  clip.button.addEventListener("click", (event) => {
    if (!clip.audio.paused) return clip.audio.pause();
    const box = clip.button.getBoundingClientRect();
    const isPointed = event.detail && clip.button.classList.contains("picture"); // from the keyboard: from the start
    const share = isPointed ? (event.clientX - box.left) / box.width : 0;
    play(clip, share < 0.1 ? 0 : share);
  });
  clip.button.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    clip.audio.currentTime = Math.max(0, Math.min(clip.audio.currentTime + step, clip.audio.duration || 0));
  });
  clip.audio.addEventListener("play", () => {
    if (playing && playing !== clip) playing.audio.pause();
    playing = clip;
    clip.figure.classList.add("playing");
    clip.button.setAttribute("aria-pressed", "true");
    show(clip);
  });
  clip.audio.addEventListener("pause", () => {
    clip.figure.classList.remove("playing");
    clip.button.setAttribute("aria-pressed", "false");
  });
  clip.audio.addEventListener("seeked", () => show(clip));
}

matched.addEventListener("click", () => {
  matched.setAttribute("aria-checked", String(matched.getAttribute("aria-checked") !== "true"));
  setVolumes();
});
setVolumes();
// iOS leaves the volume to the buttons of the device: the clips stay equally loud.
const probe = new Audio();
probe.volume = 0.5;
matched.hidden = probe.volume === 1;

addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
