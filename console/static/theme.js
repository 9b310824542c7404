// Before anything is drawn: the theme that was chosen, if one was.
(function () {
  "use strict";
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  } catch {
    // Without storage the theme is the system's.
  }
})();
