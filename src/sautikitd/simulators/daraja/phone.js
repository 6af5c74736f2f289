// Looks every second whether anything has happened, and only then shows the page anew: what is being typed stays.
"use strict";
setInterval(async () => {
  try {
    const answer = await fetch("/version");
    if (answer.ok && (await answer.text()) !== document.body.dataset.version) location.reload();
  } catch {
    // The simulator is being started again: the next look finds it.
  }
}, 1000);
