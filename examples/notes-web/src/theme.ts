/** Light, dark, or as the system says. */

export type Theme = "system" | "light" | "dark";

export function theme(): Theme {
  const kept = localStorage.getItem("theme");
  return kept === "light" || kept === "dark" ? kept : "system";
}

export function showTheme(chosen: Theme = theme()): void {
  localStorage.setItem("theme", chosen);
  document.documentElement.style.colorScheme = chosen === "system" ? "light dark" : chosen;
}
