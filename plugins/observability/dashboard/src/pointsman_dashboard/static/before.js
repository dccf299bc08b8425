// Runs before anything is painted: the theme that was chosen last.
try {
  const theme = localStorage.getItem("pointsman.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden here: the system's theme it is.
}
