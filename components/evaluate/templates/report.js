"use strict";
// A picture plays its clip; a line moves over it. One clip at a time.
for (const clip of document.querySelectorAll(".clip")) {
  const audio = clip.querySelector("audio");
  const picture = clip.querySelector(".picture");
  const move = () => {
    picture.style.setProperty("--at", audio.currentTime / (audio.duration || 1));
    if (!audio.paused) requestAnimationFrame(move);
  };
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    const share = event.detail ? (event.clientX - box.left) / box.width : 0; // from the keyboard: from the start
    if (!audio.paused) return audio.pause();
    audio.currentTime = share < 0.1 ? 0 : share * (audio.duration || 0);
    audio.play();
  });
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    clip.classList.add("playing");
    move();
  });
  audio.addEventListener("pause", () => clip.classList.remove("playing"));
  audio.addEventListener("seeked", move);
}
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
