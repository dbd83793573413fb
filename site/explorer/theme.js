// Light or dark, as it was chosen on the site (Furo keeps it under this name), else as the system is. No module: it runs
// before the page is drawn.
(() => {
  const show = (theme) => {
    document.documentElement.dataset.theme = theme ?? "auto";
  };
  try {
    show(localStorage.getItem("theme"));
  } catch {
    show("auto"); // a browser that keeps nothing
  }
  addEventListener("storage", ({ key, newValue }) => key === "theme" && show(newValue));
})();
