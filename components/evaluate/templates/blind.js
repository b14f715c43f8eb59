"use strict";
// Blind test: sounds without names, in random order, by keys. Which is closest to the recording? With one synth: which
// of the two is the recording? They have players of their own, so that the page does not show which clip sounds.
const test = document.getElementById("test");
const panel = document.getElementById("blind");
const part = (name) => panel.querySelector(`.${name}`);
const LETTERS = "ABCDEFGH";
const chosen = {};
let waiting = [];
let round = null;
let heard = null;

const groups = [...document.querySelectorAll(".group")]
  .map((element) => {
    const inside = clips.filter((clip) => clip.synth && element.contains(clip.figure));
    return {
      name: element.dataset.group,
      recording: inside.find((clip) => clip.synth === "original"),
      copies: inside.filter((clip) => clip.synth !== "original"),
    };
  })
  .filter((group) => group.recording && group.copies.length);
test.hidden = !groups.length;

function shuffled(list) {
  const mixed = [...list];
  for (let last = mixed.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1));
    [mixed[last], mixed[other]] = [mixed[other], mixed[last]];
  }
  return mixed;
}

function silence() {
  if (playing) playing.audio.pause();
  if (heard) heard.pause();
}

// Another sound goes on where the one before it is.
function hear(audio) {
  if (!audio.paused) return audio.pause();
  const seconds = heard && !heard.paused ? heard.currentTime : 0;
  silence();
  heard = audio;
  audio.currentTime = seconds;
  audio.play().catch(() => {});
}

function addButton(row, key, text, name, action) {
  const button = document.createElement("button");
  const hint = document.createElement("kbd");
  button.type = "button";
  hint.textContent = key === "escape" ? "Esc" : key.toUpperCase();
  button.append(hint, text && ` ${text}`);
  button.setAttribute("aria-label", name);
  button.addEventListener("click", action);
  round.keys.set(key, action);
  row.append(button);
  return button;
}

function addPlayer(row, key, text, clip) {
  const audio = new Audio();
  audio.preload = "none"; // as in figures.html
  audio.src = clip.audio.src;
  const button = addButton(row, key, text, `Play ${text || key.toUpperCase()}`, () => hear(audio));
  const press = () => button.setAttribute("aria-pressed", String(!audio.paused));
  audio.addEventListener("play", press);
  audio.addEventListener("pause", press);
  press();
}

function nextRound() {
  silence();
  if (!waiting.length) waiting = shuffled(groups);
  const group = waiting.pop();
  const isPair = group.copies.length === 1;
  const sounds = shuffled(isPair ? [group.recording, ...group.copies] : group.copies);
  round = { isPair, sounds, isDone: false, keys: new Map() };
  const asked = isPair ? "which one is the recording?" : "which one is closest to the recording?";
  part("question").textContent = `${group.name}: ${asked}`;
  const [players, votes] = [part("players"), part("votes")];
  players.replaceChildren();
  votes.replaceChildren(isPair ? "The recording is " : "Closest is ");
  if (!isPair) addPlayer(players, "r", "Recording", group.recording);
  sounds.forEach((clip, index) => {
    addPlayer(players, LETTERS[index].toLowerCase(), "", clip);
    addButton(votes, String(index + 1), LETTERS[index], `Choose ${LETTERS[index]}`, () => choose(index));
  });
  addButton(votes, "n", "Next", "Next sounds", nextRound);
  addButton(votes, "escape", "Close", "Close the blind test", toggle);
  part("answer").textContent = "";
}

function choose(index) {
  if (round.isDone) return;
  round.isDone = true;
  const names = round.sounds.map((clip) => (clip.synth === "original" ? "the recording" : clip.synth));
  const isRight = round.sounds[index].synth === "original";
  const counted = round.isPair ? (isRight ? "right" : "wrong") : names[index];
  chosen[counted] = (chosen[counted] || 0) + 1;
  const answer = round.isPair ? (isRight ? "Right" : "Wrong") : `You chose ${counted}`;
  part("answer").textContent = `${answer}: ${names.map((name, place) => `${LETTERS[place]} is ${name}`).join(", ")}.`;
  const counts = Object.entries(chosen).sort((one, other) => other[1] - one[1]);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  part("tally").textContent = `${counts.map(([name, count]) => `${name} ${count}`).join(" · ")}, of ${total}`;
}

function toggle() {
  panel.hidden = !panel.hidden;
  test.setAttribute("aria-expanded", String(!panel.hidden));
  if (panel.hidden) {
    silence();
    round = null;
    test.focus();
  } else nextRound();
}

test.addEventListener("click", toggle);
document.addEventListener("keydown", (event) => {
  const action = round && !event.ctrlKey && !event.metaKey && !event.altKey && round.keys.get(event.key.toLowerCase());
  if (!action) return;
  event.preventDefault();
  action();
});
